"""Whether one type may take the place of another, and where it may not. Pure.

Source: Candid specification, "Rules", subtyping. By it anything is a subtype of an option, because
what does not fit is read as null. That is allowed and yet loses data, so it is told apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from juno_snap.wire.candid.interface import Interface, Method
from juno_snap.wire.candid.primitives import EMPTY, INT, NAT, PRINCIPAL, RESERVED, CandidType
from juno_snap.wire.candid.types import (
    Composite,
    Func,
    FuncMode,
    Opt,
    Record,
    Service,
    Variant,
    Vec,
)


@final
@dataclass(frozen=True, slots=True)
class _Premise:
    """``lower`` has to be a subtype of ``upper`` too."""

    lower: CandidType
    upper: CandidType
    place: str = ""
    is_optional: bool = False
    """Where it is none, null is read."""


_Finding: TypeAlias = _Premise | str
"""What follows from a pair of types: another pair, or why the one is no subtype of the other."""


@final
@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the types a pair stands; types may be deep, so each knows only the one above."""

    name: str = ""
    parent: "_Place | None" = None
    is_optional: bool = False

    def below(self, premise: _Premise) -> "_Place":
        """The place of what follows from the pair here."""
        return _Place(premise.place, self, self.is_optional or premise.is_optional)

    def names(self) -> list[str]:
        """The way to it, from the top."""
        names: list[str] = []
        place: _Place | None = self
        while place is not None:
            if place.name:
                names.append(place.name)
            place = place.parent
        return names[::-1]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Why values of one type are none of another: a place in the types, then what is wrong."""

    breaking: tuple[str, ...]
    """Values that are refused; empty for a subtype."""
    lossy: tuple[str, ...]
    """Values that are read as null; a subtype may have them."""


def compare_interfaces(new: Interface, old: Interface) -> Differences:
    """What callers that know ``old`` meet where ``new`` answers.

    Every method of the old interface has to be there, of the same mode, take what it took and give
    what is understood. How the code is installed is no part of it.
    """
    return compare_types(_service_of(new), _service_of(old))


def compare_types(lower: CandidType, upper: CandidType) -> Differences:
    """Why ``lower`` is no subtype of ``upper``.

    Where the same two types with parts meet again, at another method, that is not told again.
    """
    breaking: list[str] = []
    lossy: list[str] = []
    for place, reason in _differences(lower, upper):
        text = ": ".join((*place.names(), reason))
        (lossy if place.is_optional else breaking).append(text)
    return Differences(breaking=tuple(breaking), lossy=tuple(lossy))


def is_subtype(lower: CandidType, upper: CandidType, *, strictly: bool = False) -> bool:
    """Whether every value of ``lower`` is one of ``upper``, also where the types are recursive.

    ``strictly`` asks whether nothing is read as null because it does not fit.
    """
    return not any(strictly or not place.is_optional for place, _ in _differences(lower, upper))


def _differences(lower: CandidType, upper: CandidType) -> Iterator[tuple[_Place, str]]:
    """Each place where they differ, with what is wrong there."""
    seen: set[tuple[CandidType, CandidType, bool]] = set()
    waiting = [(lower, upper, _Place())]
    while waiting:
        below, above, place = waiting.pop()
        pair = (below.resolved(), above.resolved())
        # A recursive type meets itself again: that holds unless something else fails.
        key = (*pair, place.is_optional)
        if key in seen:
            continue
        if any(isinstance(each, Composite) for each in pair):
            seen.add(key)
        premises: list[tuple[CandidType, CandidType, _Place]] = []
        for finding in _findings(*pair):
            if isinstance(finding, str):
                yield place, finding
            else:
                premises.append((finding.lower, finding.upper, place.below(finding)))
        waiting.extend(reversed(premises))


def _service_of(interface: Interface) -> Service:
    return Service({name: _func_of(method) for name, method in interface.methods.items()})


def _func_of(method: Method) -> Func:
    modes: list[FuncMode] = [] if method.mode == "update" else [method.mode]
    return Func(method.args, method.results, modes)


def _findings(lower: CandidType, upper: CandidType) -> Iterator[_Finding]:
    match lower, upper:
        case (_, Opt()):
            yield from _of_opt(lower, upper)
        case (Vec(), Vec()):
            yield _Premise(lower.element, upper.element, "item")
        case (Record(), Record()):
            yield from _of_records(lower, upper)
        case (Variant(), Variant()):
            yield from _of_variants(lower, upper)
        case (Func(), Func()):
            yield from _of_funcs(lower, upper)
        case (Service(), Service()):
            yield from _of_services(lower.methods, upper.methods)
        case _:
            if not _fits(lower, upper):
                yield f"{lower.kind} where {upper.kind} is expected"


def _of_opt(lower: CandidType, upper: Opt) -> Iterator[_Finding]:
    if isinstance(lower, Opt):
        yield _Premise(lower.element, upper.element, is_optional=True)
    elif not lower.accepts_null:
        yield _Premise(lower, upper.element, is_optional=True)


def _of_records(lower: Record, upper: Record) -> Iterator[_Finding]:
    for field in upper.fields:
        given = lower.by_number.get(field.number)
        if given is not None:
            yield _Premise(given.type, field.type, f"field {field.label}")
        elif not field.type.accepts_null:
            yield f"field {field.label} is expected and not given"


def _of_variants(lower: Variant, upper: Variant) -> Iterator[_Finding]:
    for field in lower.fields:
        expected = upper.by_number.get(field.number)
        if expected is not None:
            yield _Premise(field.type, expected.type, f"tag {field.label}")
        else:
            yield f"tag {field.label} may be given and is not expected"


def _of_funcs(lower: Func, upper: Func) -> Iterator[_Finding]:
    """Whoever calls ``lower`` gives the arguments of ``upper`` and expects its results."""
    if lower.modes != upper.modes:
        yield f"{_mode_text(lower)} where {_mode_text(upper)} is expected"
    yield from _of_lists(upper.args, lower.args, "argument")
    yield from _of_lists(lower.results, upper.results, "result")


def _mode_text(func: Func) -> str:
    return f"a method of mode {' '.join(sorted(func.modes)) or 'update'}"


def _of_lists(
    given: Sequence[CandidType], expected: Sequence[CandidType], what: str
) -> Iterator[_Finding]:
    for place, part in enumerate(expected):
        name = f"{what} {place + 1}"
        if place < len(given):
            yield _Premise(given[place], part, name)
        elif not part.accepts_null:
            yield f"{name} is expected and not given"


def _of_services(
    lower: Mapping[str, CandidType], upper: Mapping[str, CandidType]
) -> Iterator[_Finding]:
    for name, method in upper.items():
        if name in lower:
            yield _Premise(lower[name], method, f"method {name}")
        else:
            yield f"method {name} is expected and not there"


def _fits(lower: CandidType, upper: CandidType) -> bool:
    return (
        lower is upper
        or upper is RESERVED
        or lower is EMPTY
        or (lower is NAT and upper is INT)
        or (upper is PRINCIPAL and isinstance(lower, Service))
    )
