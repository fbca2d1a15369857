// What a satellite of Juno looks like to its tools: Candid, rights, versions of what is configured.
import Prim "mo:⛔";

persistent actor class Satellite(init : ?{ controllers : [Principal]; storage : ?{ system_memory : ?{ #Heap; #Stable } } }) = self {
  type Memory = { #Heap; #Stable };
  type Scope = { #Write; #Admin; #Submit };
  type Controller = {
    metadata : [(Text, Text)]; scope : Scope; expires_at : ?Nat64;
    created_at : Nat64; updated_at : Nat64;
  };
  type SetController = { metadata : [(Text, Text)]; scope : Scope; expires_at : ?Nat64 };
  type CustomDomain = {
    bn_id : ?Text; created_at : Nat64; updated_at : Nat64; version : ?Nat64;
  };
  type MaxMemorySize = { stable_ : ?Nat64; heap : ?Nat64 };
  type DbConfig = {
    max_memory_size : ?MaxMemorySize; version : ?Nat64;
    created_at : ?Nat64; updated_at : ?Nat64;
  };
  type SetDbConfig = { max_memory_size : ?MaxMemorySize; version : ?Nat64 };
  type IFrame = { #Deny; #AllowAny; #SameOrigin };
  type RawAccess = { #Deny; #Allow };
  type Redirect = { status_code : Nat16; location : Text };
  type StorageConfig = {
    iframe : ?IFrame; rewrites : [(Text, Text)]; headers : [(Text, [(Text, Text)])];
    max_memory_size : ?MaxMemorySize; raw_access : ?RawAccess; redirects : ?[(Text, Redirect)];
    version : ?Nat64; created_at : ?Nat64; updated_at : ?Nat64;
  };
  type SetStorageConfig = {
    iframe : ?IFrame; rewrites : [(Text, Text)]; headers : [(Text, [(Text, Text)])];
    max_memory_size : ?MaxMemorySize; raw_access : ?RawAccess; redirects : ?[(Text, Redirect)];
    version : ?Nat64;
  };
  type InternetIdentity = {
    derivation_origin : ?Text; external_alternative_origins : ?[Text];
  };
  type ProviderConfig = {
    client_id : Text; delegation : ?{ targets : ?[Principal]; max_time_to_live : ?Nat64 };
  };
  type OpenId = { observatory_id : ?Principal; providers : [({ #Google }, ProviderConfig)] };
  type AuthConfig = {
    internet_identity : ?InternetIdentity; openid : ?OpenId;
    rules : ?{ allowed_callers : [Principal] };
    version : ?Nat64; created_at : ?Nat64; updated_at : ?Nat64;
  };
  type SetAuthConfig = {
    internet_identity : ?InternetIdentity; openid : ?OpenId;
    rules : ?{ allowed_callers : [Principal] }; version : ?Nat64;
  };
  type CollectionType = { #Db; #Storage };
  type Permission = { #Controllers; #Private; #Public; #Managed };
  type RateConfig = { max_tokens : Nat64; time_per_token_ns : Nat64 };
  type Rule = {
    read : Permission; write : Permission; memory : ?Memory; mutable_permissions : ?Bool;
    max_size : ?Nat; max_capacity : ?Nat32; max_changes_per_user : ?Nat32;
    rate_config : ?RateConfig; version : ?Nat64; created_at : Nat64; updated_at : Nat64;
  };
  type SetRule = {
    read : Permission; write : Permission; memory : ?Memory; mutable_permissions : ?Bool;
    max_size : ?Nat; max_capacity : ?Nat32; max_changes_per_user : ?Nat32;
    rate_config : ?RateConfig; version : ?Nat64;
  };
  type ListRulesParams = { matcher : ?{ include_system : Bool } };
  type ListRulesResults = {
    items : [(Text, Rule)]; items_length : Nat64; matches_length : Nat64;
  };
  type Doc = {
    data : Blob; description : ?Text; owner : Principal;
    version : ?Nat64; created_at : Nat64; updated_at : Nat64;
  };
  type SetDoc = { data : Blob; description : ?Text; version : ?Nat64 };

  func map<A, B>(from : [A], change : A -> B) : [B] {
    Prim.Array_tabulate<B>(from.size(), func place = change(from[place]));
  };

  func system_rule(memory : Memory) : Rule {
    let now = Prim.time();
    {
      read = #Managed; write = #Controllers; memory = ?memory; mutable_permissions = ?false;
      max_size = null; max_capacity = null; max_changes_per_user = null; rate_config = null;
      version = null; created_at = now; updated_at = now;
    };
  };

  func first_controllers() : [(Principal, Controller)] {
    let ?said = init else Prim.trap("a satellite is installed with its controllers");
    let now = Prim.time();
    map<Principal, (Principal, Controller)>(
      said.controllers,
      func who = (who, { metadata = []; scope = #Admin; expires_at = null; created_at = now; updated_at = now }),
    );
  };

  func first_memory() : Memory {
    let ?{ storage = ?{ system_memory = ?memory } } = init else return #Heap;
    memory;
  };

  var controllers : [(Principal, Controller)] = first_controllers();
  var domains : [(Text, CustomDomain)] = [];
  var db : ?DbConfig = null;
  var authentication : ?AuthConfig = null;
  var storage : StorageConfig = {
    iframe = null; rewrites = []; headers = []; max_memory_size = null; raw_access = null;
    redirects = null; version = null; created_at = null; updated_at = null;
  };
  var db_rules : [(Text, Rule)] = [];
  var storage_rules : [(Text, Rule)] = [("#dapp", system_rule(first_memory()))];
  var docs : [(Text, Doc)] = [];

  func find<K, V>(among : [(K, V)], key : K, same : (K, K) -> Bool) : ?V {
    for ((known, value) in among.vals()) { if (same(known, key)) return ?value };
    null;
  };

  func without<K, V>(among : [(K, V)], key : K, same : (K, K) -> Bool) : [(K, V)] {
    select<K, V>(among, func known = not same(known, key));
  };

  func select<K, V>(among : [(K, V)], is_wanted : K -> Bool) : [(K, V)] {
    var kept = 0;
    for ((key, _) in among.vals()) { if (is_wanted(key)) kept += 1 };
    let rest = among.vals();
    Prim.Array_tabulate<(K, V)>(
      kept,
      func _ {
        loop {
          let ?pair = rest.next() else Prim.trap("counted wrongly");
          if (is_wanted(pair.0)) return pair;
        };
      },
    );
  };

  func put<K, V>(among : [(K, V)], key : K, value : V, same : (K, K) -> Bool) : [(K, V)] {
    let others = without<K, V>(among, key, same);
    Prim.Array_tabulate<(K, V)>(
      others.size() + 1,
      func place = if (place < others.size()) others[place] else (key, value),
    );
  };

  func same_text(one : Text, other : Text) : Bool { one == other };
  func same_principal(one : Principal, other : Principal) : Bool { one == other };

  func require_admin(caller : Principal) {
    switch (find<Principal, Controller>(controllers, caller, same_principal)) {
      case (?{ scope = #Admin }) {};
      case _ { if (not Prim.isController(caller)) Prim.trap("juno.error.controllers.caller_not_admin") };
    };
  };

  // A change names the version that it is based on, as all changes of configuration do.
  func next_version(current : ?Nat64, named : ?Nat64) : ?Nat64 {
    switch (current, named) {
      case (null, _) { ?1 };
      case (?_, null) { Prim.trap("juno.error.no_version_provided") };
      case (?is, ?said) {
        if (is != said) Prim.trap("juno.error.version_outdated_or_future");
        ?(is + 1);
      };
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
      let created_at = switch (find<Principal, Controller>(controllers, who, same_principal)) {
        case (?known) { known.created_at };
        case null { now };
      };
      let { metadata; scope; expires_at } = args.controller;
      let controller = { metadata; scope; expires_at; created_at; updated_at = now };
      controllers := put<Principal, Controller>(controllers, who, controller, same_principal);
    };
    controllers;
  };

  public shared ({ caller }) func del_controllers(args : { controllers : [Principal] }) : async [(Principal, Controller)] {
    require_admin(caller);
    for (who in args.controllers.vals()) {
      controllers := without<Principal, Controller>(controllers, who, same_principal);
    };
    controllers;
  };

  public shared query ({ caller }) func list_custom_domains() : async [(Text, CustomDomain)] {
    require_admin(caller);
    domains;
  };

  public shared ({ caller }) func set_custom_domain(name : Text, bn_id : ?Text) : async () {
    require_admin(caller);
    let now = Prim.time();
    let (created_at, version) : (Nat64, ?Nat64) = switch (find<Text, CustomDomain>(domains, name, same_text)) {
      case (?known) { (known.created_at, next_version(known.version, known.version)) };
      case null { (now, ?1) };
    };
    domains := put<Text, CustomDomain>(domains, name, { bn_id; created_at; updated_at = now; version }, same_text);
  };

  public shared ({ caller }) func del_custom_domain(name : Text) : async () {
    require_admin(caller);
    domains := without<Text, CustomDomain>(domains, name, same_text);
  };

  public shared ({ caller }) func get_config() : async {
    db : ?DbConfig; authentication : ?AuthConfig; storage : StorageConfig;
  } {
    require_admin(caller);
    { db; authentication; storage };
  };

  public shared query ({ caller }) func get_db_config() : async ?DbConfig {
    require_admin(caller);
    db;
  };

  public shared ({ caller }) func set_db_config(new : SetDbConfig) : async DbConfig {
    require_admin(caller);
    let now = ?Prim.time();
    let (created_at, current) : (?Nat64, ?Nat64) = switch db {
      case (?old) { (old.created_at, old.version) };
      case null { (now, null) };
    };
    let { max_memory_size } = new;
    let set = { max_memory_size; created_at; updated_at = now; version = next_version(current, new.version) };
    db := ?set;
    set;
  };

  public shared query ({ caller }) func get_auth_config() : async ?AuthConfig {
    require_admin(caller);
    authentication;
  };

  public shared ({ caller }) func set_auth_config(new : SetAuthConfig) : async AuthConfig {
    require_admin(caller);
    let now = ?Prim.time();
    let (created_at, current) : (?Nat64, ?Nat64) = switch authentication {
      case (?old) { (old.created_at, old.version) };
      case null { (now, null) };
    };
    let { internet_identity; openid; rules } = new;
    let version = next_version(current, new.version);
    let set = { internet_identity; openid; rules; created_at; updated_at = now; version };
    authentication := ?set;
    set;
  };

  public shared query ({ caller }) func get_storage_config() : async StorageConfig {
    require_admin(caller);
    storage;
  };

  public shared ({ caller }) func set_storage_config(new : SetStorageConfig) : async StorageConfig {
    require_admin(caller);
    let now = ?Prim.time();
    let { iframe; rewrites; headers; max_memory_size; raw_access; redirects } = new;
    storage := {
      iframe; rewrites; headers; max_memory_size; raw_access; redirects;
      version = next_version(storage.version, new.version);
      created_at = if (storage.created_at == null) now else storage.created_at;
      updated_at = now;
    };
    storage;
  };

  public shared query ({ caller }) func get_rule(kind : CollectionType, collection : Text) : async ?Rule {
    require_admin(caller);
    find<Text, Rule>(rules_of(kind), collection, same_text);
  };

  public shared query ({ caller }) func list_rules(kind : CollectionType, params : ListRulesParams) : async ListRulesResults {
    require_admin(caller);
    let all = switch (params.matcher) {
      case (?{ include_system }) { include_system };
      case null { false };
    };
    let items = select<Text, Rule>(rules_of(kind), func name = all or not is_system(name));
    let count = Prim.natToNat64(items.size());
    { items; items_length = count; matches_length = count };
  };

  public shared ({ caller }) func set_rule(kind : CollectionType, collection : Text, new : SetRule) : async Rule {
    require_admin(caller);
    if (is_system(collection)) Prim.trap("juno.collections.error.reserved_collection");
    let now = Prim.time();
    let (created_at, current) : (Nat64, ?Nat64) = switch (find<Text, Rule>(rules_of(kind), collection, same_text)) {
      case (?old) { (old.created_at, old.version) };
      case null { (now, null) };
    };
    let { read; write; memory; mutable_permissions; max_size; max_capacity; max_changes_per_user; rate_config } = new;
    let rule = {
      read; write; memory; mutable_permissions; max_size; max_capacity; max_changes_per_user; rate_config;
      version = next_version(current, new.version); created_at; updated_at = now;
    };
    let changed = put<Text, Rule>(rules_of(kind), collection, rule, same_text);
    switch kind {
      case (#Db) { db_rules := changed };
      case (#Storage) { storage_rules := changed };
    };
    rule;
  };

  public shared ({ caller }) func switch_storage_system_memory() : async () {
    require_admin(caller);
    let memory = switch (find<Text, Rule>(storage_rules, "#dapp", same_text)) {
      case (?{ memory = ?#Heap }) { #Stable };
      case _ { #Heap };
    };
    storage_rules := put<Text, Rule>(storage_rules, "#dapp", system_rule(memory), same_text);
  };

  func rules_of(kind : CollectionType) : [(Text, Rule)] {
    switch kind {
      case (#Db) { db_rules };
      case (#Storage) { storage_rules };
    };
  };

  func is_system(collection : Text) : Bool {
    switch (collection.chars().next()) {
      case (?'#') { true };
      case _ { false };
    };
  };

  public shared query ({ caller }) func memory_size() : async { stable_ : Nat64; heap : Nat64 } {
    require_admin(caller);
    { stable_ = 0; heap = Prim.natToNat64(Prim.rts_memory_size()) };
  };

  public shared ({ caller }) func set_doc(collection : Text, key : Text, new : SetDoc) : async Doc {
    require_admin(caller);
    let now = Prim.time();
    let id = collection # "/" # key;
    let (created_at, current) : (Nat64, ?Nat64) = switch (find<Text, Doc>(docs, id, same_text)) {
      case (?old) { (old.created_at, old.version) };
      case null { (now, null) };
    };
    let { data; description } = new;
    let version = next_version(current, new.version);
    let doc = { data; description; owner = caller; version; created_at; updated_at = now };
    docs := put<Text, Doc>(docs, id, doc, same_text);
    doc;
  };

  public shared query func get_doc(collection : Text, key : Text) : async ?Doc {
    find<Text, Doc>(docs, collection # "/" # key, same_text);
  };
  //VERSION_QUERY
};
