// A number that can be changed by calls, by calls that call, and by timers.
import Prim "mo:⛔";

persistent actor {
  type Peer = actor {
    add : Nat -> async Nat;
    fail : Text -> async Nat;
    fall : () -> async Nat;
    value : query () -> async Nat;
  };

  var total : Nat = 0;
  var locked : Bool = false;

  func peer(name : Text) : Peer { actor (name) : Peer };

  func bump(by : Nat) : async () { total += by };

  public func add(by : Nat) : async Nat { total += by; total };

  public query func value() : async Nat { total };

  public query func is_locked() : async Bool { locked };

  public func fail(why : Text) : async Nat { total += 1_000; throw Prim.error(why) };

  public func fall() : async Nat { total += 1_000; assert false; 0 };

  // Adds 1 here, the number there, and 1 here again.
  public func add_there(name : Text, by : Nat) : async Nat {
    total += 1;
    let there = await peer(name).add(by);
    total += 1;
    there
  };

  // Adds 1 here and the number there, and traps: what was done before the answer stays.
  public func add_there_and_fall(name : Text, by : Nat) : async () {
    total += 1;
    ignore await peer(name).add(by);
    total += 1_000;
    assert false;
  };

  // Calls itself as often.
  public func add_in_steps(times : Nat) : async Nat {
    var left = times;
    while (left > 0) { await bump(1); left -= 1 };
    total
  };

  // Sends all calls before it waits for one.
  public func add_in_parallel(name : Text, times : Nat) : async Nat {
    let calls = Prim.Array_init<?(async Nat)>(times, null);
    for (at in calls.keys()) { calls[at] := ?peer(name).add(1) };
    var last = 0;
    for (each in calls.vals()) {
      switch each { case (?call) { last := await call }; case null {} };
    };
    last
  };

  public func caught(name : Text, falls : Bool) : async Text {
    try {
      ignore await (if falls { peer(name).fall() } else { peer(name).fail("for a reason") });
      "nothing"
    } catch (error) {
      total += 1;
      Prim.errorMessage(error)
    }
  };

  public func locked_fall(name : Text) : async () {
    locked := true;
    try { ignore await peer(name).add(1); assert false } finally { locked := false };
  };

  public func later(nanoseconds : Nat64, by : Nat) : async () {
    ignore Prim.setTimer<system>(nanoseconds, false, func() : async () { total += by });
  };

  public func every(nanoseconds : Nat64, by : Nat) : async () {
    ignore Prim.setTimer<system>(nanoseconds, true, func() : async () { await bump(by) });
  };

  public composite query func both(name : Text) : async Nat {
    total + (await peer(name).value())
  };
};
