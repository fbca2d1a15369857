// Fits to the data of version 1, changes it, and then traps: no upgrade to it succeeds.
persistent actor {
  type Entry = { key : Text; value : Text; next : ?Entry };

  var documents : ?Entry = null;

  system func postupgrade() {
    documents := null;
    assert false;
  };

  public query func is_empty() : async Bool { documents == null };

  public query func version() : async Text { "trap in postupgrade" };
}
