// Never ends by itself.
persistent actor {
  var count : Nat = 0;

  func run() {
    loop { count += 1 };
  };

  public func update_forever() : async () { run() };

  public query func query_forever() : async () { run() };

  public query func version() : async Text { debug_show count };
}
