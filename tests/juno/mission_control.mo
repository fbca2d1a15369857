// What a mission control of Juno looks like to its tools.
import Prim "mo:⛔";

persistent actor class MissionControl(init : ?{ user : Principal }) = self {
  type Scope = { #Write; #Admin; #Submit };
  type Controller = {
    metadata : [(Text, Text)]; scope : Scope; expires_at : ?Nat64;
    created_at : Nat64; updated_at : Nat64;
  };
  type SetController = { metadata : [(Text, Text)]; scope : Scope; expires_at : ?Nat64 };
  type Strategy = { #BelowThreshold : { fund_cycles : Nat; min_cycles : Nat } };
  type Settings = { monitoring : ?{ cycles : ?{ strategy : ?Strategy; enabled : Bool } } };
  type Satellite = {
    satellite_id : Principal; metadata : [(Text, Text)]; settings : ?Settings;
    created_at : Nat64; updated_at : Nat64;
  };
  type Orbiter = {
    orbiter_id : Principal; metadata : [(Text, Text)]; settings : ?Settings;
    created_at : Nat64; updated_at : Nat64;
  };

  func first_user() : Principal {
    let ?said = init else Prim.trap("a mission control is installed with its user");
    said.user;
  };

  let user : Principal = first_user();
  var controllers : [(Principal, Controller)] = [];
  var satellites : [(Principal, Satellite)] = [];
  var orbiters : [(Principal, Orbiter)] = [];

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
    if (caller == user or Prim.isController(caller)) return;
    switch (find<Controller>(controllers, caller)) {
      case (?{ scope = #Admin }) {};
      case _ { Prim.trap("juno.error.controllers.caller_not_admin") };
    };
  };

  public shared query ({ caller }) func get_user() : async Principal {
    require_admin(caller);
    user;
  };

  public shared query ({ caller }) func list_mission_control_controllers() : async [(Principal, Controller)] {
    require_admin(caller);
    controllers;
  };

  public shared ({ caller }) func set_mission_control_controllers(new : [Principal], controller : SetController) : async () {
    require_admin(caller);
    let now = Prim.time();
    for (who in new.vals()) {
      let created_at = switch (find<Controller>(controllers, who)) {
        case (?known) { known.created_at };
        case null { now };
      };
      let { metadata; scope; expires_at } = controller;
      let set = { metadata; scope; expires_at; created_at; updated_at = now };
      controllers := put<Controller>(controllers, who, set);
    };
  };

  public shared query ({ caller }) func list_satellites() : async [(Principal, Satellite)] {
    require_admin(caller);
    satellites;
  };

  public shared query ({ caller }) func list_orbiters() : async [(Principal, Orbiter)] {
    require_admin(caller);
    orbiters;
  };

  func named(name : ?Text) : [(Text, Text)] {
    switch name {
      case (?text) { [("name", text)] };
      case null { [] };
    };
  };

  public shared ({ caller }) func set_satellite(satellite_id : Principal, name : ?Text) : async Satellite {
    require_admin(caller);
    let now = Prim.time();
    let added = { satellite_id; metadata = named(name); settings = null; created_at = now; updated_at = now };
    satellites := put<Satellite>(satellites, satellite_id, added);
    added;
  };

  public shared ({ caller }) func unset_satellite(satellite_id : Principal) : async () {
    require_admin(caller);
    satellites := without<Satellite>(satellites, satellite_id);
  };

  public shared ({ caller }) func set_orbiter(orbiter_id : Principal, name : ?Text) : async Orbiter {
    require_admin(caller);
    let now = Prim.time();
    let added = { orbiter_id; metadata = named(name); settings = null; created_at = now; updated_at = now };
    orbiters := put<Orbiter>(orbiters, orbiter_id, added);
    added;
  };

  public shared ({ caller }) func unset_orbiter(orbiter_id : Principal) : async () {
    require_admin(caller);
    orbiters := without<Orbiter>(orbiters, orbiter_id);
  };
  //VERSION_QUERY
};
