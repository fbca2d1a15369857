"""What is to go wrong in the local replica: for tests of whoever has to survive it.

A fault is declared before the replica starts, with ``--fault SPEC`` or in ``ReplicaOptions``::

    SPEC   WHAT[=VALUE][xTIMES][+SKIP]@WHERE
    WHERE  *  |  call  |  call:METHOD  |  query  |  query:METHOD  |  read_state

``xTIMES`` limits it to that many requests (else it never ends), ``+SKIP`` lets that many pass
before. A METHOD is a canister's or the management canister's; ``*`` is every POST that the fault
makes sense for. TIME is a number with ``ms`` or ``s``, CODE like ``IC0210``.

What happens before anything else, and in place of it but for ``delay``:

* ``delay=TIME``          the request is looked at that much later.
* ``http=STATUS``         this status, 400 to 599, and nothing else happens.
* ``drop-before[=TIMES]`` the connection breaks off, and nothing else happens.
* ``refuse=CODE``         this node rejects a call; that is not certified, and it does not run.
* ``accept-forever``      202 for a call, which then never runs; its status stays unknown.

What happens in place of execution, once for each call, however often it is sent:

* ``late=TIME``           a call runs that much later, if it has not expired; until then nobody
                          knows it. Whoever sends it again brings it in at once, to run once.
* ``reject=CODE``         a call does not run, and its certified outcome is this reject. A query is
                          rejected by the node, which signs that.

What happens to certificates, of calls and of ``read_state``:

* ``old-state=TIME``      they show what there was that long ago, and say so.
* ``certificate=FLAW``    ``forged``: signed by another key; ``stale``: ten minutes old;
                          ``pruned``: what was asked for is hidden; ``wrong-delegation``: signed
                          by a subnet for which the root key never spoke; ``wrong-range``: by one
                          to which the root key gave other canisters.

What happens after everything else, in place of the answer:

* ``http-after=STATUS``   this status, though all was done.
* ``drop-after[=TIMES]``  the connection breaks off, though all was done.

For each request the faults that concern it are gone through in the order in which they were
declared. Of each kind the first that is not used up happens; those behind one that ends the request
are left for later requests. So ``http=503x2@call`` and ``drop-after=1@call`` make two bad answers,
then a call that is carried out and not answered. The request log names the faults that happened.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeAlias, final

from typing_extensions import override

from juno_snap.errors import InputError
from juno_snap.units import NS_PER_MS, NS_PER_SECOND

Place: TypeAlias = Literal["call", "query", "read_state"]
Flaw: TypeAlias = Literal["forged", "stale", "pruned", "wrong-delegation", "wrong-range"]

PLACES: Final[tuple[Place, ...]] = ("call", "query", "read_state")
FLAWS: Final[tuple[Flaw, ...]] = ("forged", "stale", "pruned", "wrong-delegation", "wrong-range")


class FaultKind(StrEnum):
    """What goes wrong; the value is its name in a SPEC."""

    DELAY = "delay"
    HTTP = "http"
    DROP_BEFORE = "drop-before"
    REFUSE = "refuse"
    ACCEPT_FOREVER = "accept-forever"
    LATE = "late"
    REJECT = "reject"
    OLD_STATE = "old-state"
    CERTIFICATE = "certificate"
    HTTP_AFTER = "http-after"
    DROP_AFTER = "drop-after"


BEFORE: Final = frozenset(
    {
        FaultKind.DELAY,
        FaultKind.HTTP,
        FaultKind.DROP_BEFORE,
        FaultKind.REFUSE,
        FaultKind.ACCEPT_FOREVER,
    }
)
EXECUTING: Final = frozenset({FaultKind.LATE, FaultKind.REJECT})
CERTIFYING: Final = frozenset({FaultKind.OLD_STATE, FaultKind.CERTIFICATE})
AFTER: Final = frozenset({FaultKind.HTTP_AFTER, FaultKind.DROP_AFTER})
"""Each is a phase of a request."""

ENDING: Final = (BEFORE | AFTER) - {FaultKind.DELAY}

EXAMPLE: Final = "http=503x2@call:install_code"


class Form(NamedTuple):
    """How a part of a SPEC looks, and what it is called."""

    pattern: str
    name: str


TIME: Final = Form(r"\d{1,9}(ms|s)", "a time like 500ms or 3s")
STATUS: Final = Form(r"[45]\d\d", "a status from 400 to 599")
CODE: Final = Form(r"IC0[1-6]\d\d", "an error code like IC0210")
FLAW: Final = Form("|".join(FLAWS), " or ".join(FLAWS))
COUNT: Final = Form(r"[1-9]\d{0,8}", "a number from 1")
# A longer name stands before one that it begins with.
KIND: Final = Form("|".join(sorted(FaultKind, reverse=True)), " or ".join(FaultKind))
EQUALS: Final = Form("=", "'='")
AT: Final = Form("@", "'@'")
METHOD: Final = Form(r"(?s:.+)", "the name of a method")
END: Final = Form(r"\Z", "the end")

CALLS_ONLY: Final[tuple[Place, ...]] = ("call",)
SENSIBLE: Final[dict[FaultKind, tuple[Place, ...]]] = {
    FaultKind.REFUSE: CALLS_ONLY,
    FaultKind.ACCEPT_FOREVER: CALLS_ONLY,
    FaultKind.LATE: CALLS_ONLY,
    FaultKind.REJECT: ("call", "query"),
    FaultKind.OLD_STATE: ("call", "read_state"),
    FaultKind.CERTIFICATE: ("call", "read_state"),
}
"""Where a fault makes sense; everywhere, if it is not named."""


VALUES: Final = {
    FaultKind.DELAY: TIME,
    FaultKind.HTTP: STATUS,
    FaultKind.REFUSE: CODE,
    FaultKind.LATE: TIME,
    FaultKind.REJECT: CODE,
    FaultKind.OLD_STATE: TIME,
    FaultKind.CERTIFICATE: FLAW,
    FaultKind.HTTP_AFTER: STATUS,
}
"""Kinds with a value, and its form."""

DROPS: Final = frozenset({FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER})
"""Kinds that have the number of times in the place of a value."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. ``parse_fault`` makes it from a SPEC, ``str`` gives a SPEC back."""

    kind: FaultKind
    value: str = ""
    """As in a SPEC."""
    place: Place | None = None
    """None is every place where it makes sense."""
    method: str | None = None
    times: int | None = None
    """None is for ever."""
    skip: int = 0

    @property
    def duration_ns(self) -> int:
        """The value of a fault that has to do with time."""
        number, unit = self.value.removesuffix("ms"), NS_PER_MS
        if number == self.value:
            number, unit = self.value.removesuffix("s"), NS_PER_SECOND
        return int(number) * unit

    @property
    def flaw(self) -> Flaw | None:
        """What is wrong with a certificate."""
        return next((flaw for flaw in FLAWS if flaw == self.value), None)

    def concerns(self, place: Place, method: str) -> bool:
        """Whether it is about this request."""
        return (
            self.place in {None, place}
            and place in SENSIBLE.get(self.kind, PLACES)
            and self.method in {None, method}
        )

    @override
    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        times = "" if self.times is None else f"x{self.times}"
        if self.kind in DROPS:
            value, times = times.replace("x", "="), ""
        skip = f"+{self.skip}" if self.skip else ""
        method = "" if self.method is None else f":{self.method}"
        return f"{self.kind}{value}{times}{skip}@{self.place or '*'}{method}"


def explain(fault: Fault) -> str:
    """The text that comes with an answer that ``fault`` makes."""
    return f"This was ordered: --fault {fault}"


@final
class FaultSpecError(InputError):
    """A SPEC that says nothing sensible. ``position`` counts characters from 1."""

    def __init__(self, spec: str, offset: int, expected: str) -> None:
        found = repr(spec[offset : offset + 12]) if offset < len(spec) else "its end"
        super().__init__(
            f"{spec!r} is no fault: {expected} is expected at position {offset + 1}, not {found}",
            value=spec,
            code="invalid-fault",
            hint=f"for example: {EXAMPLE}; all of them: see juno_snap.replica.faults",
        )
        self.position = offset + 1

    @property
    @override
    def fields(self) -> Mapping[str, object]:
        """The SPEC, and where it goes wrong."""
        return {"value": self.value, "position": self.position}


def parse_fault(spec: str) -> Fault:
    """The fault that ``spec`` declares.

    Raises:
        FaultSpecError: None; says what is expected where.
    """
    reader = _Reader(spec)
    kind = FaultKind(reader.take(KIND))
    value, times = "", None
    if kind in VALUES:
        reader.take(EQUALS)
        value = reader.take(VALUES[kind])
    if (kind in DROPS and reader.follows("=")) or (kind not in DROPS and reader.follows("x")):
        times = int(reader.take(COUNT))
    skip = int(reader.take(COUNT)) if reader.follows("+") else 0
    reader.take(AT)
    place, method = _where(reader, kind)
    return Fault(kind=kind, value=value, place=place, method=method, times=times, skip=skip)


def longest_look_back_ns(faults: Iterable[Fault]) -> int:
    """How long old states are asked for."""
    return max((each.duration_ns for each in faults if each.kind is FaultKind.OLD_STATE), default=0)


def _where(reader: "_Reader", kind: FaultKind) -> tuple[Place | None, str | None]:
    sensible = SENSIBLE.get(kind, PLACES)
    said = reader.take(Form("|".join(sensible) + r"|\*", " or ".join([*sensible, "*"])))
    place = next((each for each in PLACES if each == said), None)
    method = None
    if place in {"call", "query"} and reader.follows(":"):
        method = reader.take(METHOD)
    reader.take(END)
    return place, method


@final
class _Reader:
    """Takes a SPEC apart from left to right."""

    def __init__(self, spec: str) -> None:
        self._spec = spec
        self._offset = 0

    def take(self, form: Form) -> str:
        """What stands here in that form.

        Raises:
            FaultSpecError: Something else does.
        """
        match = re.compile(form.pattern).match(self._spec, self._offset)
        if match is None:
            raise FaultSpecError(self._spec, self._offset, form.name)
        self._offset = match.end()
        return match[0]

    def follows(self, sign: str) -> bool:
        """Whether ``sign`` stands here; if so it is taken."""
        found = self._spec.startswith(sign, self._offset)
        self._offset += len(sign) if found else 0
        return found
