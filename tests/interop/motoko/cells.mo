// Sixteen numbers that messages change, in one step and in several. VERSION and HOOK are put in.
import Prim "mo:⛔";

persistent actor {
  type Peer = actor {
    put : (Nat, Nat) -> async ();
    put_and_fall : (Nat, Nat) -> async ();
    add : Nat -> async ();
    bounce : (Text, Text, Nat) -> async Nat;
  };

  let cells : [var Nat] = Prim.Array_init<Nat>(16, 0);
  var total : Nat = 0;
  var log : Text = "";

  /*HOOK*/

  func peer(name : Text) : Peer { actor (name) : Peer };

  public query func shown() : async ([Nat], Nat, Text, Text) {
    (Prim.Array_tabulate<Nat>(16, func at = cells[at]), total, log, "VERSION")
  };

  public func put(at : Nat, value : Nat) : async () { cells[at] := value };

  public func put_and_fall(at : Nat, value : Nat) : async () {
    cells[at] := value;
    assert false;
  };

  public func put_and_reject(at : Nat, value : Nat) : async () {
    cells[at] := value;
    throw Prim.error("no");
  };

  public func add(by : Nat) : async () { total += by };

  public func write(text : Text) : async () { log #= text };

  // The value here, and the next one there; then the total here.
  public func share(name : Text, at : Nat, value : Nat) : async () {
    cells[at] := value;
    await peer(name).put(at, value + 1);
    total += 1;
  };

  // The same, but what comes after the answer is undone.
  public func share_and_fall(name : Text, at : Nat, value : Nat) : async () {
    cells[at] := value;
    await peer(name).put(at, value + 1);
    cells[at] := 1_000_000;
    assert false;
  };

  // Nothing is sent, as the message that sends it traps.
  public func fall_and_share(name : Text, at : Nat, value : Nat) : async () {
    cells[at] := value;
    ignore peer(name).put(at, value + 1);
    assert false;
  };

  // The other one traps, and here that is a number.
  public func expect_a_fall(name : Text, at : Nat, value : Nat) : async Int32 {
    try {
      await peer(name).put_and_fall(at, value);
      0
    } catch (error) {
      cells[at] := value;
      switch (Prim.errorCode(error)) {
        case (#canister_error) 5;
        case (#destination_invalid) 3;
        case (_) 1;
      };
    }
  };

  // What has to be done is done, although the answer's message traps.
  public func fall_but_clean(name : Text, at : Nat, value : Nat) : async () {
    try {
      await peer(name).put(at, value);
      total += 1_000;
      assert false;
    } finally { cells[at] := 7 };
  };

  // Adds 1 here as often, one message for each.
  public func count(times : Nat) : async () {
    var left = times;
    while (left > 0) { await step(); left -= 1 };
  };

  func step() : async () { total += 1 };

  // To and fro, each time 1 more.
  public func bounce(mine : Text, other : Text, times : Nat) : async Nat {
    total += 1;
    if (times == 0) { 0 } else { 1 + (await peer(other).bounce(other, mine, times - 1)) };
  };

  // Adds there without waiting for it.
  public func tell(name : Text, by : Nat) : async () { ignore peer(name).add(by) };
};
