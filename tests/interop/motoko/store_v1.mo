// Documents by key, in a heap that survives upgrades.
persistent actor {
  type Entry = { key : Text; value : Text; next : ?Entry };

  var documents : ?Entry = null;

  func find(key : Text) : ?Text {
    var rest = documents;
    loop {
      switch rest {
        case null { return null };
        case (?entry) {
          if (entry.key == key) { return ?entry.value };
          rest := entry.next;
        };
      };
    };
  };

  public func set_document(key : Text, value : Text) : async () {
    documents := ?{ key; value; next = documents };
  };

  public func set_document_and_trap(key : Text, value : Text) : async () {
    documents := ?{ key; value; next = documents };
    assert false;
  };

  public query func document(key : Text) : async ?Text { find(key) };

  public query func version() : async Text { "1" };
}
