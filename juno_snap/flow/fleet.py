"""What a fleet is: modules in the order of their waves, and what came of each. Pure.

A run of a fleet is a run of a flow (``fleet_run``): each module is a unit of its second step, named
by its id, and what came of it leaves the flow as data of the same name.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Literal, TypeAlias, final

from juno_snap.errors import InputError, JunoSnapError
from juno_snap.ids import Principal
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.wasm_file import WasmFile

FleetKind: TypeAlias = Literal["upgrade", "backup", "rollback"]

GOOD_OUTCOMES: Final = frozenset({"upgraded", "unchanged", "backed-up", "restored"})
"""What else comes of a module is a failure."""

FREE: Final = frozenset({"found_stopped", "force", "juno", "patience"})
"""Of a request: what another life of the same run may say otherwise."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A module of a fleet."""

    module: Principal
    name: str | None = None
    request: UpgradeRequest = field(default_factory=UpgradeRequest)
    wasm: WasmFile | None = field(default=None, repr=False)
    """None where nothing is to be installed."""
    release: str | None = None
    """The release that was asked for: a version, or ``latest``."""
    refusal: JunoSnapError | None = field(default=None, repr=False)
    """Why no code could be chosen: nothing is done with it."""
    operation: str | None = None
    """The upgrade that is to be gone back on."""
    new_hash: str | None = None
    """What that upgrade has installed."""

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} ({self.module})" if self.name else str(self.module)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All that a run needs to know before it begins.

    Raises:
        InputError: A module is in it twice.
    """

    name: str
    kind: FleetKind
    members: tuple[Member, ...]
    wave_sizes: tuple[int, ...]
    concurrency: int = 1
    stop_after_failures: int = 1
    pause_seconds: float = 0.0
    latest: Mapping[str, str] = field(default_factory=dict)
    """What ``latest`` means in this run, by role; empty where nobody asks."""
    place: str = ""
    """The folder of its backups."""

    def __post_init__(self) -> None:
        seen: set[Principal] = set()
        for member in self.members:
            if member.module in seen:
                raise InputError(
                    f"module {member.label} is in fleet {self.name!r} twice",
                    value=str(member.module),
                )
            seen.add(member.module)

    @property
    def flow(self) -> str:
        """The name of its flow."""
        return flow_name(self.name, self.kind)

    def in_waves(self) -> Iterator[tuple[int, Member]]:
        """The modules, each with the number of its wave, from 1."""
        sizes = enumerate(self.wave_sizes, 1)
        waves = [number for number, size in sizes for _ in range(size)]
        return zip(waves, self.members, strict=True)

    def digest(self) -> str:
        """Equal for two fleets of which one may go on with a run of the other.

        What is done with which module in which wave counts, and where copies go. How many at once,
        pauses, when to stop and what is allowed may be changed on the way.
        """
        what = [
            [
                str(member.module),
                wave,
                member.release or (member.wasm and member.wasm.sha256.hex()),
                member.operation,
            ]
            for wave, member in self.in_waves()
        ]
        asked = [
            [repr(item) for item in sorted(asdict(member.request).items()) if item[0] not in FREE]
            for member in self.members
        ]
        return hashlib.sha256(json.dumps([self.kind, what, asked, self.place]).encode()).hexdigest()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MemberResult:
    """What came of a module; kept as data of the flow."""

    outcome: str
    """Of its operation; ``backed-up``; else ``refused``: nothing was done."""
    operation: str | None = None
    old_hash: str | None = None
    new_hash: str | None = None
    snapshot: str | None = None
    backup: str | None = None
    """Where its copy is."""
    downtime_ms: int | None = None
    duration_ms: int | None = None
    module_status: str | None = None
    error: Mapping[str, str] | None = None
    """``code``, ``message`` and ``hint``."""

    @property
    def is_good(self) -> bool:
        """Whether the module is where it should be."""
        return self.outcome in GOOD_OUTCOMES

    def to_json(self) -> dict[str, object]:
        """As it is kept and reported."""
        return asdict(self)


def flow_name(name: str, kind: FleetKind) -> str:
    """The flow of a fleet."""
    return f"fleet-{name}-{kind}"


def wave_sizes(count: int, *, canary: int, percentages: Sequence[int]) -> tuple[int, ...]:
    """How many modules are in each wave; none is empty, and the last one has the rest.

    A percentage is how much of the whole fleet is done after its wave, rounded up.
    """
    ends = [canary, *(math.ceil(count * each / 100) for each in percentages), count]
    sizes, done = [], 0
    for end in ends:
        size = min(end, count) - done
        if size > 0:
            sizes.append(size)
            done += size
    return tuple(sizes)
