// Reads the documents of version 1 as a number: the upgrade must fail.
persistent actor {
  var documents : Nat = 0;

  public query func document(_key : Text) : async ?Text { ?(debug_show documents) };

  public query func version() : async Text { "incompatible" };
}
