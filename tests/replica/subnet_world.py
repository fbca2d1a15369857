"""A subnet without a server around it, and a small module that can do everything once.

Calls go through the ingress filter and then through execution, as they do in the replica.
"""

from dataclasses import dataclass, field
from typing import Any

from juno_snap.ids import MANAGEMENT_CANISTER, Principal, RequestId
from juno_snap.replica.management.methods import METHODS
from juno_snap.replica.reject import Reject
from juno_snap.replica.rules import DEFAULT_RULES, Rules
from juno_snap.replica.runtime import Engine, wasm_from_text
from juno_snap.replica.state import Canister, SubnetState
from juno_snap.replica.subnet import Subnet
from juno_snap.wire.candid import Tagged, decode, encode
from juno_snap.wire.envelope import CallContent, QueryContent

ALICE = Principal.self_authenticating(b"alice")
BOB = Principal.self_authenticating(b"bob")
SUBNET_ID = Principal.self_authenticating(b"subnet")
NOWHERE = Principal(b"\0\0\0\0\0\0\0\x63\1\1")
LIFETIME_NS = 300_000_000_000
INSTALL, REINSTALL = Tagged("install"), Tagged("reinstall")
UPGRADE = Tagged("upgrade", None)


def upgrade(*, skip_pre_upgrade: bool | None = None, persistence: str | None = None) -> Tagged:
    """The install mode of an upgrade with options."""
    return Tagged(
        "upgrade",
        {
            "skip_pre_upgrade": skip_pre_upgrade,
            "wasm_memory_persistence": None if persistence is None else Tagged(persistence),
        },
    )


@dataclass
class World:
    """A subnet, and a clock that moves by a second with each call."""

    subnet: Subnet
    now_ns: int = 1_700_000_000_000_000_000
    routed: Principal | None = field(default=None)
    """Effective canister id of the next calls, where it is not the canister itself."""
    outcomes: dict[RequestId, bytes | Reject] = field(default_factory=dict)
    """Of the calls that ended and were not asked for yet."""
    size_bytes: int | None = None
    """Of the messages that the next calls come in; None leaves the subnet to guess."""

    def manage(self, method: str, sender: Principal = ALICE, /, **fields: Any) -> Any:
        """The result of a management call, or the one value that it consists of."""
        entry = METHODS[method]
        target = fields[entry.target] if entry.target else MANAGEMENT_CANISTER
        call = self.management_call(method, self.payload(method, **fields), sender)
        self.subnet.accept(call, self.routed or target, size_bytes=self.size_bytes)
        return self.results(method, self.outcome(call))

    def payload(self, method: str, **fields: Any) -> bytes:
        """The argument of a management call."""
        return encode([METHODS[method].arguments], [fields])

    def management_call(
        self, method: str, payload: bytes, sender: Principal = ALICE
    ) -> CallContent:
        """A management call that was not submitted."""
        return self.call_content(MANAGEMENT_CANISTER, method, payload, sender)

    def ask(self, method: str, sender: Principal = ALICE, /, **fields: Any) -> Any:
        """The result of a management query."""
        payload = encode([METHODS[method].arguments], [fields])
        return self.results(method, self.query(MANAGEMENT_CANISTER, method, payload, sender))

    def results(self, method: str, reply: bytes) -> Any:
        values = decode(reply, METHODS[method].results)
        return values[0] if values else None

    def call(
        self, canister: Principal, method: str, arg: bytes = b"", sender: Principal = ALICE
    ) -> bytes:
        """The reply of a canister to an update call."""
        call = self.call_content(canister, method, arg, sender)
        self.subnet.accept(call, canister, size_bytes=self.size_bytes)
        return self.outcome(call)

    def execute(
        self, canister: Principal, method: str, arg: bytes = b"", sender: Principal = ALICE
    ) -> bytes:
        """The same past the ingress filter, as if the state had changed since."""
        return self.outcome(self.call_content(canister, method, arg, sender))

    def outcome(self, call: CallContent) -> bytes:
        """How a call ends that needs no more than one round."""
        request_id = self.submit(call)
        self.round()
        return self.ended(request_id)

    def submit(self, call: CallContent) -> RequestId:
        """Put a call into the queue, without executing it."""
        self.subnet.submit(call.request_id(), call, self.now_ns, size_bytes=self.size_bytes)
        return call.request_id()

    def round(self, seconds: float = 0) -> None:
        """Execute a round, so long after the newest call."""
        self.now_ns += int(seconds * 1_000_000_000)
        self.outcomes.update(self.subnet.run_round(self.now_ns))

    def ended(self, request_id: RequestId) -> bytes:
        """The reply to a call that has ended."""
        outcome = self.outcomes.pop(request_id)
        if isinstance(outcome, Reject):
            raise outcome
        return outcome

    def query(
        self, canister: Principal, method: str, arg: bytes = b"", sender: Principal = ALICE
    ) -> bytes:
        """The reply to a query."""
        query = QueryContent(
            sender=sender,
            canister_id=canister,
            method_name=method,
            arg=arg,
            ingress_expiry_ns=self.now_ns,
        )
        return self.subnet.query(query, self.now_ns, lambda owner: b"certificate of " + owner.raw)

    def call_content(
        self, canister: Principal, method: str, arg: bytes, sender: Principal
    ) -> CallContent:
        self.now_ns += 1_000_000_000
        return CallContent(
            sender=sender,
            canister_id=canister,
            method_name=method,
            arg=arg,
            ingress_expiry_ns=self.now_ns + LIFETIME_NS,
        )

    def create(self, sender: Principal = ALICE, /, **fields: Any) -> Principal:
        """A new, empty canister."""
        created = self.manage("provisional_create_canister_with_cycles", sender, **fields)
        return created["canister_id"]

    def install(
        self, canister: Principal, wasm: bytes, mode: Tagged = INSTALL, arg: bytes = b""
    ) -> None:
        """Install code."""
        self.manage("install_code", canister_id=canister, mode=mode, wasm_module=wasm, arg=arg)

    def running(self, wasm: bytes) -> Principal:
        """A new canister that runs ``wasm``."""
        canister = self.create()
        self.install(canister, wasm)
        return canister

    def snapshot(self, canister: Principal, **fields: Any) -> dict[str, Any]:
        """A new snapshot, as the reply describes it."""
        return self.manage("take_canister_snapshot", canister_id=canister, **fields)

    def state_of(self, canister: Principal) -> Canister:
        return self.subnet.canisters[canister]


def new_world(
    state: SubnetState | None = None, engine: Engine | None = None, rules: Rules = DEFAULT_RULES
) -> World:
    """A subnet of its own."""
    subnet = Subnet(
        state or SubnetState(),
        engine or Engine(),
        root_key_der=b"root key",
        subnet_id=SUBNET_ID,
        rules=rules,
    )
    return World(subnet=subnet)


def wealth(world: World, canister: Principal) -> int:
    """The cycles that a canister would have, had nothing cost it any."""
    state = world.state_of(canister)
    return state.cycles + sum(state.consumed_cycles.values())


def refused(act: Any) -> Reject:
    """How ``act`` is refused."""
    try:
        act()
    except Reject as reject:
        return reject
    raise AssertionError("was not refused")


def check(reject: Reject, error_code: str, message: str) -> None:
    """Check how something was refused, to the letter."""
    assert (reject.error_code, reject.message) == (error_code, message)


_IMPORTS = """
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "stable64_size" (func $stable_size (result i64)))
  (import "ic0" "stable64_grow" (func $stable_grow (param i64) (result i64)))
  (import "ic0" "stable64_read" (func $stable_read (param i64 i64 i64)))
  (import "ic0" "stable64_write" (func $stable_write (param i64 i64 i64)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
  (import "ic0" "canister_version" (func $version (result i64)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (import "ic0" "data_certificate_size" (func $certificate_size (result i32)))
  (import "ic0" "data_certificate_copy" (func $certificate_copy (param i32 i32 i32)))
"""

_BODY = """
  (memory (export "memory") 1)
  (global $hidden (mut i64) (i64.const 0))
  (global $shown (export "shown") (mut i32) (i32.const 7))
  (func $arg (call $arg_copy (i32.const 100) (i32.const 0) (call $arg_size)))
  (func $reply_from (param i32 i32)
    (call $append (local.get 0) (local.get 1)) (call $reply))
  (func (export "canister_init")
    (drop (call $stable_grow (i64.const 1)))
    (i64.store (i32.const 40) (call $version)))
  (func (export "canister_update bump")
    (global.set $hidden (i64.add (global.get $hidden) (i64.const 1)))
    (global.set $shown (i32.add (global.get $shown) (i32.const 1)))
    (i32.store8 (i32.const 1) (i32.add (i32.load8_u (i32.const 1)) (i32.const 1)))
    (call $stable_write (i64.const 0) (i64.const 1) (i64.const 1))
    (call $reply))
  (func $read (export "canister_query read")
    (i64.store8 (i32.const 0) (global.get $hidden))
    (call $stable_read (i64.const 2) (i64.const 0) (i64.const 1))
    (i32.store8 (i32.const 3) (global.get $shown))
    (call $reply_from (i32.const 0) (i32.const 4)))
  (func (export "canister_query init_version") (call $reply_from (i32.const 40) (i32.const 8)))
  (func (export "canister_query certificate")
    (call $certificate_copy (i32.const 200) (i32.const 0) (call $certificate_size))
    (call $reply_from (i32.const 200) (call $certificate_size)))
  (func (export "canister_composite_query both") (call $reply))
  (func (export "canister_update certify")
    (call $arg) (call $certify (i32.const 100) (call $arg_size)) (call $reply))
  (func (export "canister_update arm") (drop (call $timer (i64.const 123))) (call $reply))
  (func (export "canister_update say")
    (call $arg) (call $print (i32.const 100) (call $arg_size)) (call $reply))
  (func (export "canister_update refuse")
    (i32.store8 (i32.const 1) (i32.const 77))
    (call $arg) (call $reject (i32.const 100) (call $arg_size)))
  (func (export "canister_update silent"))
  (func (export "canister_update boom")
    (i32.store8 (i32.const 1) (i32.const 99))
    (call $arg) (call $print (i32.const 100) (call $arg_size)) unreachable)
  (@custom "icp:public candid:service" "service : {}")
  (@custom "icp:private secret" "42")
"""


def module(extra: str = "") -> bytes:
    """A module with a heap, stable memory, a shown and a hidden global; ``extra`` is more WAT."""
    return wasm_from_text(f"(module {_IMPORTS} {_BODY} {extra})")


EOP = '(@custom "icp:private enhanced-orthogonal-persistence" "")'
TRAP_IN_PRE_UPGRADE = '(func (export "canister_pre_upgrade") unreachable)'
TRAP_IN_POST_UPGRADE = '(func (export "canister_post_upgrade") unreachable)'
TRAP_IN_INIT = "(start $stop) (func $stop unreachable)"
INSPECTED = '(func (export "canister_inspect_message"))'
