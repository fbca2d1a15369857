// Writes a document before its upgrade and then traps: no upgrade of it succeeds.
persistent actor {
  type Entry = { key : Text; value : Text; next : ?Entry };

  var documents : ?Entry = null;

  system func preupgrade() {
    documents := ?{ key = "lost"; value = "by the trap"; next = documents };
    assert false;
  };

  public func set_document(key : Text, value : Text) : async () {
    documents := ?{ key; value; next = documents };
  };

  public query func document(key : Text) : async ?Text {
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

  public query func version() : async Text { "trap in preupgrade" };
}
