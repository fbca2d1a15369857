"""Programs for ``wat/puppet.wat``: a canister that does what it is told, also in its callbacks.

A program is a sequence of steps, made by the functions below and put together with ``+``. What it
notes is its trace, which ``traced`` reads: the order in which things ran, and what of it was kept.
"""

import struct
from functools import cache

from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.wire.candid import PRINCIPAL, Record, encode
from tests.replica.engine import WAT
from tests.replica.subnet_world import ALICE, World

HEARTBEAT, TIMER = "canister_heartbeat", "canister_global_timer"
LOW_MEMORY = "canister_on_low_wasm_memory"
CALLBACK, WRONG_TYPE, NOWHERE_IN_THE_TABLE = 1, 0, 2
END = b"\0"
PROGRAMS_AT = 65_536
"""Where the first program lies; the next one follows it and one byte."""


@cache
def puppet(*tasks: str, extra: str = "") -> bytes:
    """The module, with the system tasks that are named; ``extra`` is more WAT."""
    text = WAT.joinpath("puppet.wat").read_text(encoding="utf-8")
    exports = "".join(f'(func (export "{task}") (call $on_task))' for task in tasks)
    return wasm_from_text(text.replace(";; MORE", exports + extra))


def step(letter: str, operand: bytes = b"") -> bytes:
    return letter.encode() + sized(operand)


def sized(data: bytes) -> bytes:
    return struct.pack("<H", len(data)) + data


def number(value: int) -> bytes:
    return struct.pack("<Q", value)


def call(
    callee: Principal,
    arg: bytes = b"",
    *,
    method: str = "run",
    cycles: int = 0,
    timeout: int = 0,
    on_reply: bytes = b"",
    on_reject: bytes = b"",
    cleanup: bytes | None = None,
    function: int = CALLBACK,
) -> bytes:
    """Call a method; ``arg`` is the callee's program where that is a puppet."""
    return (
        b"c"
        + sized(callee.raw)
        + sized(method.encode())
        + struct.pack("<QQI", cycles, timeout, function)
        + sized(arg)
        + sized(on_reply + END)
        + sized(on_reject + END)
        + sized(b"" if cleanup is None else cleanup + END)
    )


def manage(method: str, payload: bytes, **options: object) -> bytes:
    """Call the management canister."""
    return call(MANAGEMENT_CANISTER, payload, method=method, **options)


def note(text: str) -> bytes:
    return step("n", text.encode())


def reply(data: bytes = b"") -> bytes:
    return step("r", data)


def reject(text: str) -> bytes:
    return step("j", text.encode())


def accept(cycles: int) -> bytes:
    return step("$", number(cycles))


def set_timer(nanoseconds_from_now: int) -> bytes:
    return step("g", number(nanoseconds_from_now))


def set_task(program: bytes) -> bytes:
    """What heartbeat, timer and hook do from now on."""
    return step("h", program + END)


NOTE_ARG, NOTE_CALLER, NOTE_REJECT, NOTE_REJECT_CODE = map(step, "awmk")
NOTE_AVAILABLE, NOTE_REFUNDED, NOTE_PERFORMED, NOTE_VERSION = map(step, "vfxV")
NOTE_DEADLINE, NOTE_COUNTER = map(step, "DC")
ECHO, REPLY_TRACE, FALL, LOOP = map(step, "eoul")


def trap(text: str = "no") -> bytes:
    return step("t", text.encode())


def run(world: World, canister: Principal, program: bytes, sender: Principal = ALICE) -> bytes:
    """The reply to a program."""
    return world.call(canister, "run", program + END, sender)


def begin(world: World, canister: Principal, program: bytes) -> bytes:
    """Put a call into the queue; its request id comes back."""
    return world.submit(world.call_content(canister, "run", program + END, ALICE))


def traced(world: World, canister: Principal) -> bytes:
    """All notes that were kept."""
    return world.query(canister, "trace")


def held_open(world: World, wasm: bytes | None = None) -> Principal:
    """A puppet that can keep a call open: it controls itself."""
    canister = world.running(wasm or puppet())
    controllers = {"controllers": [ALICE, canister]}
    world.manage("update_settings", canister_id=canister, settings=controllers)
    return canister


def hold(holder: Principal, answer: bytes = b"released", *, again: bool = False) -> bytes:
    """What a ``held_open`` puppet does to keep a call open: it waits for itself to be stopped.

    The network gives that up after five minutes; with ``again`` it begins again then.
    """
    payload = encode([Record({"canister_id": PRINCIPAL})], [{"canister_id": holder}])
    afterwards = hold(holder, answer) if again else reply(answer)
    return manage("stop_canister", payload, on_reject=afterwards)


def release(world: World, holder: Principal) -> None:
    """Let the calls end that are kept open; all that follows from it happens at once."""
    world.manage("start_canister", canister_id=holder)
