"""Candid text as a tree: what was written, before any type is known."""

from dataclasses import dataclass
from typing import TypeAlias, final

from juno_snap.ids import Principal
from juno_snap.wire.candid.primitives import CandidType
from juno_snap.wire.candid.values import FuncRef


@final
@dataclass(frozen=True, slots=True)
class Number:
    """A whole number."""

    offset: int
    value: int


@final
@dataclass(frozen=True, slots=True)
class Decimal:
    """A number with a point or an exponent."""

    offset: int
    value: float


@final
@dataclass(frozen=True, slots=True)
class Plain:
    """true, false, null, a text, a blob or a function."""

    offset: int
    value: bool | str | bytes | FuncRef | None


@final
@dataclass(frozen=True, slots=True)
class Reference:
    """``principal "..."``, or ``service "..."`` where ``is_service``."""

    offset: int
    value: Principal
    is_service: bool


@final
@dataclass(frozen=True, slots=True)
class Present:
    """``opt ...``."""

    offset: int
    content: "Node"


@final
@dataclass(frozen=True, slots=True)
class Items:
    """``vec { ... }``."""

    offset: int
    items: tuple["Node", ...]


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A field of a record, or the tag of a variant with its value."""

    offset: int
    number: int
    label: str
    content: "Node"


@final
@dataclass(frozen=True, slots=True)
class Struct:
    """``record { ... }``, in the order written; ids are unique."""

    offset: int
    entries: tuple[Entry, ...]


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """``variant { ... }``."""

    offset: int
    entry: Entry


@final
@dataclass(frozen=True, slots=True)
class Annotated:
    """``value : type``."""

    offset: int
    content: "Node"
    type: CandidType


Node: TypeAlias = (
    Number | Decimal | Plain | Reference | Present | Items | Struct | Choice | Annotated
)
