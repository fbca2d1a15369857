// Version 2: counts its writes, and still reads what version 1 wrote.
persistent actor {
  type Entry = { key : Text; value : Text; next : ?Entry };

  var documents : ?Entry = null;
  var writes : Nat = 0;

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
    writes += 1;
  };

  public func set_document_and_trap(key : Text, value : Text) : async () {
    documents := ?{ key; value; next = documents };
    writes += 1;
    assert false;
  };

  public query func document(key : Text) : async ?Text { find(key) };

  public query func count_writes() : async Nat { writes };

  public query func version() : async Text { "2" };
}
