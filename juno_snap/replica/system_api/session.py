"""What one run of a canister's code knows, and what it did so far."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, final

from juno_snap.ids import Principal
from juno_snap.replica.stable import StableOverlay
from juno_snap.replica.system_api.outgoing import CallDraft, OutgoingCall
from juno_snap.replica.system_api.signatures import Context
from juno_snap.units import MIB

REPLY_MAX_BYTES: Final = 2 * MIB
QUERY_REPLY_MAX_BYTES: Final = 3 * MIB
"""Source: developer docs, resource limits."""


class Guest(Protocol):
    """The running Wasm instance, as far as the functions of ``ic0`` need it."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes of its memory; raises ``ExecutionError`` beyond the end."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Replace bytes of its memory; raises ``ExecutionError`` beyond the end."""
        ...

    def instructions_used(self) -> int:
        """Instructions since the message began."""
        ...


def no_freezing_limit(_grown_bytes: int) -> int:
    """The limit of a canister that may spend everything."""
    return 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the platform tells a canister about itself and the moment."""

    canister_id: Principal
    controllers: frozenset[Principal]
    canister_version: int
    status: int
    """1 running, 2 stopping, 3 stopped."""
    cycles: int
    time_ns: int
    subnet_id: Principal
    root_key_der: bytes
    environment_variables: Sequence[tuple[str, str]] = ()
    """Name and value, in the order the canister sees them."""
    data_certificate: Callable[[], bytes] | None = None
    """Makes the certificate of a query when the canister asks for it; None: there is none."""
    wasm_memory_limit: int | None = None
    """In bytes; None or 0: no limit."""
    callback_cycles: int = 0
    """What is set aside with each call, so that the callback of its answer can run."""
    freezing_limit: Callable[[int], int] = no_freezing_limit
    """The cycles that have to stay, were the canister's memory larger by so many bytes."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a canister is called with, or, in a callback, what its own call brought back.

    ``method`` is empty where the platform itself calls, and in callbacks.
    """

    method: str = ""
    arg: bytes = b""
    """In a callback the reply."""
    caller: Principal
    cycles_available: int = 0
    """Cycles that came with the call and are not accepted yet."""
    cycles_refunded: int = 0
    """In a callback; they are in the balance already."""
    deadline_ns: int = 0
    """When the caller stops waiting; 0: never."""
    reject_code: int = 0
    """In a callback, where the call was rejected; 0: it was not."""
    reject_message: str = ""
    has_answered: bool = False
    """Whether an earlier run answered the call that this one belongs to."""
    instructions_before: int = 0
    """What the earlier runs for the same call used."""
    in_flight: Mapping[Principal, int] = field(default_factory=dict)
    """How many calls the canister has under way, by callee."""


@final
@dataclass(slots=True, kw_only=True)
class Session:
    """One run of code: its surroundings and its effects, which count only if it ends well."""

    context: Context
    environment: Environment
    message: Message
    guest: Guest
    stable: StableOverlay
    certified_data: bytes
    global_timer_ns: int
    """When the timer is due; 0: it is off."""
    reply_data: bytearray = field(default_factory=bytearray)
    reply: bytes | None = None
    rejection: str | None = None
    accepted: bool = False
    logs: list[bytes] = field(default_factory=list)
    draft: CallDraft | None = None
    """The call that is being written."""
    calls: list[OutgoingCall] = field(default_factory=list)
    queued: Counter[Principal] = field(default_factory=Counter)
    """How many of ``calls`` go to whom."""
    cycles_burned: int = 0
    cycles_accepted: int = 0
    cycles_sent: int = 0
    """With ``calls`` and ``draft``, and paid for them in advance."""
    is_64_bit: bool = False
    """Whether the canister's memory is: its instructions cost twice as much."""
    certificate: bytes | None = None
    """The data certificate, once the canister asked for it."""

    @property
    def has_answered(self) -> bool:
        """Whether the caller has its reply or its rejection."""
        return self.message.has_answered or self.reply is not None or self.rejection is not None

    @property
    def is_replicated(self) -> bool:
        """Whether every node of the network would run this."""
        return self.context not in NODE_LOCAL

    @property
    def balance_cycles(self) -> int:
        """What the canister has now."""
        gone = self.cycles_burned + self.cycles_sent
        return self.environment.cycles + self.cycles_accepted - gone

    @property
    def cycles_available(self) -> int:
        """What came with the call and can still be accepted."""
        return self.message.cycles_available - self.cycles_accepted

    @property
    def liquid_cycles(self) -> int:
        """What it may spend. Memory that this message added does not count yet."""
        return max(self.balance_cycles - self.environment.freezing_limit(0), 0)


NODE_LOCAL: Final = frozenset(
    {
        Context.QUERY,
        Context.COMPOSITE_QUERY,
        Context.COMPOSITE_REPLY_CALLBACK,
        Context.COMPOSITE_REJECT_CALLBACK,
        Context.COMPOSITE_CLEANUP,
        Context.INSPECT_MESSAGE,
    }
)
"""Contexts that one node runs alone, without consensus."""
