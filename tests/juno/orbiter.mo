// What an orbiter of Juno looks like to its tools.
import Prim "mo:⛔";

persistent actor class Orbiter(init : ?{ controllers : [Principal] }) = self {
  type Scope = { #Write; #Admin; #Submit };
  type Controller = {
    metadata : [(Text, Text)]; scope : Scope; expires_at : ?Nat64;
    created_at : Nat64; updated_at : Nat64;
  };
  type SetController = { metadata : [(Text, Text)]; scope : Scope; expires_at : ?Nat64 };
  type Features = { performance_metrics : Bool; track_events : Bool; page_views : Bool };
  type SatelliteConfig = {
    features : ?Features; restricted_origin : ?Text; version : ?Nat64;
    created_at : Nat64; updated_at : Nat64;
  };
  type SetSatelliteConfig = {
    features : ?Features; restricted_origin : ?Text; version : ?Nat64;
  };

  func first_controllers() : [(Principal, Controller)] {
    let ?said = init else Prim.trap("an orbiter is installed with its controllers");
    let now = Prim.time();
    Prim.Array_tabulate<(Principal, Controller)>(
      said.controllers.size(),
      func place = (said.controllers[place], { metadata = []; scope = #Admin; expires_at = null; created_at = now; updated_at = now }),
    );
  };

  var controllers : [(Principal, Controller)] = first_controllers();
  var satellites : [(Principal, SatelliteConfig)] = [];

  func find<V>(among : [(Principal, V)], key : Principal) : ?V {
    for ((known, value) in among.vals()) { if (known == key) return ?value };
    null;
  };

  func without<V>(among : [(Principal, V)], key : Principal) : [(Principal, V)] {
    var kept = 0;
    for ((known, _) in among.vals()) { if (known != key) kept += 1 };
    let rest = among.vals();
    Prim.Array_tabulate<(Principal, V)>(
      kept,
      func _ {
        loop {
          let ?pair = rest.next() else Prim.trap("counted wrongly");
          if (pair.0 != key) return pair;
        };
      },
    );
  };

  func put<V>(among : [(Principal, V)], key : Principal, value : V) : [(Principal, V)] {
    let others = without<V>(among, key);
    Prim.Array_tabulate<(Principal, V)>(
      others.size() + 1,
      func place = if (place < others.size()) others[place] else (key, value),
    );
  };

  func require_admin(caller : Principal) {
    switch (find<Controller>(controllers, caller)) {
      case (?{ scope = #Admin }) {};
      case _ { if (not Prim.isController(caller)) Prim.trap("juno.error.controllers.caller_not_admin") };
    };
  };

  public shared query ({ caller }) func list_controllers() : async [(Principal, Controller)] {
    require_admin(caller);
    controllers;
  };

  public shared ({ caller }) func set_controllers(args : { controller : SetController; controllers : [Principal] }) : async [(Principal, Controller)] {
    require_admin(caller);
    let now = Prim.time();
    for (who in args.controllers.vals()) {
      let created_at = switch (find<Controller>(controllers, who)) {
        case (?known) { known.created_at };
        case null { now };
      };
      let { metadata; scope; expires_at } = args.controller;
      let controller = { metadata; scope; expires_at; created_at; updated_at = now };
      controllers := put<Controller>(controllers, who, controller);
    };
    controllers;
  };

  public shared ({ caller }) func del_controllers(args : { controllers : [Principal] }) : async [(Principal, Controller)] {
    require_admin(caller);
    for (who in args.controllers.vals()) { controllers := without<Controller>(controllers, who) };
    controllers;
  };

  public shared query ({ caller }) func list_satellite_configs() : async [(Principal, SatelliteConfig)] {
    require_admin(caller);
    satellites;
  };

  public shared ({ caller }) func set_satellite_configs(new : [(Principal, SetSatelliteConfig)]) : async [(Principal, SatelliteConfig)] {
    require_admin(caller);
    let now = Prim.time();
    for ((satellite, { features; restricted_origin; version }) in new.vals()) {
      let (created_at, next) : (Nat64, ?Nat64) = switch (find<SatelliteConfig>(satellites, satellite)) {
        case (?old) {
          if (old.version != version) Prim.trap("juno.error.version_outdated_or_future");
          let ?number = version else Prim.trap("juno.error.no_version_provided");
          (old.created_at, ?(number + 1));
        };
        case null { (now, ?1) };
      };
      let config = { features; restricted_origin; version = next; created_at; updated_at = now };
      satellites := put<SatelliteConfig>(satellites, satellite, config);
    };
    satellites;
  };

  public shared query ({ caller }) func memory_size() : async { stable_ : Nat64; heap : Nat64 } {
    require_admin(caller);
    { stable_ = 0; heap = Prim.natToNat64(Prim.rts_memory_size()) };
  };
  //VERSION_QUERY
};
