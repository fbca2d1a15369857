"""What a value of one type is at another: subtyping and coercion.

Decoding first reads a message at the types that it declares, then coerces the values to the types
that are expected, as the specification describes it; so a mistake below an ``opt`` costs nothing
but that option, and bytes that are malformed are an error wherever they stand.

Source: Candid specification, "Rules" and "Coercion".
"""

from collections.abc import Iterator, Mapping

from juno_snap.errors import DecodeError
from juno_snap.wire.candid.primitives import (
    EMPTY,
    INT,
    NAT,
    NULL,
    PRINCIPAL,
    RESERVED,
    CandidType,
    Future,
)
from juno_snap.wire.candid.types import Func, Opt, Record, Service, Tuple, Variant, Vec
from juno_snap.wire.candid.values import MisfitError, Tagged

Pair = tuple[CandidType, CandidType]


def coerce(value: object, wire: CandidType, expected: CandidType) -> object:
    """``value`` of type ``wire`` as a value of type ``expected``.

    Raises:
        MisfitError: There is none; names the place.
        DecodeError: ``expected`` is an option of itself without end.
    """
    wire, expected = wire.resolved(), expected.resolved()
    match expected:
        case Opt():
            return _coerce_opt(value, wire, expected)
        case Vec() if isinstance(wire, Vec):
            return _coerce_vec(value, wire, expected)
        case Record() if isinstance(wire, Record):
            return _coerce_record(value, wire, expected)
        case Variant() if isinstance(wire, Variant) and isinstance(value, Tagged):
            return _coerce_variant(value, wire, expected)
        case _:
            return _coerce_plain(value, wire, expected)


def _coerce_plain(value: object, wire: CandidType, expected: CandidType) -> object:
    if expected is RESERVED:
        return None
    if wire is expected or is_subtype(wire, expected):
        return value
    raise MisfitError(f"expected {expected.kind}, found {wire.kind}")


def _coerce_opt(value: object, wire: CandidType, expected: Opt) -> object:
    if wire is NULL or wire is RESERVED or isinstance(wire, Future):
        return None
    if isinstance(wire, Opt):
        content = wire.unwrap(value)
        if content is None:
            return None
        try:
            return expected.wrap(coerce(content.value, wire.element, expected.element))
        except MisfitError:
            return None
    layers = _layers(expected)
    innermost = layers.pop()
    try:
        found = innermost.wrap(coerce(value, wire, innermost.element))
    except MisfitError:
        found = None
    for layer in reversed(layers):
        found = layer.wrap(found)
    return found


def _layers(expected: Opt) -> list[Opt]:
    """The options around what is not one."""
    layers = [expected]
    element = expected.element.resolved()
    while isinstance(element, Opt):
        if element in layers:
            raise DecodeError("Candid: a value where an option of options without end is expected")
        layers.append(element)
        element = element.element.resolved()
    return layers


def _coerce_vec(value: object, wire: Vec, expected: Vec) -> object:
    if wire.is_blob and expected.is_blob:
        return value
    items: list[object] = []
    for position, item in enumerate(value if isinstance(value, list | bytes) else ()):
        try:
            items.append(coerce(item, wire.element, expected.element))
        except MisfitError as error:
            error.within(f"item {position}")
            raise
    return b"" if expected.is_blob else items


def _coerce_record(value: object, wire: Record, expected: Record) -> object:
    given = wire.parts(value)
    parts: dict[str, object] = {}
    for field in expected.fields:
        found = wire.by_number.get(field.number)
        if found is None:
            if not field.type.accepts_null:
                raise MisfitError(f"field {field.label} is missing")
            parts[field.label] = None
            continue
        try:
            parts[field.label] = coerce(given[found.label], found.type, field.type)
        except MisfitError as error:
            error.within(f"field {field.label}")
            raise
    return expected.assemble(parts)


def _coerce_variant(value: Tagged, wire: Variant, expected: Variant) -> Tagged:
    found = wire.by_label[value.tag]
    field = expected.by_number.get(found.number)
    if field is None:
        known = ", ".join(field.label for field in expected.fields)
        raise MisfitError(f"tag {value.tag} is none of: {known}")
    try:
        return Tagged(field.label, coerce(value.value, found.type, field.type))
    except MisfitError as error:
        error.within(f"tag {field.label}")
        raise


def is_subtype(lower: CandidType, upper: CandidType, *, strictly: bool = False) -> bool:
    """Whether every value of ``lower`` is one of ``upper``, also where the types are recursive.

    By the specification anything is a subtype of an option, because what does not fit becomes
    null. ``strictly`` asks whether it really fits.
    """
    seen: set[Pair] = set()
    waiting: list[Pair] = [(lower, upper)]
    while waiting:
        pair = (waiting[-1][0].resolved(), waiting.pop()[1].resolved())
        if pair in seen:
            continue
        seen.add(pair)
        try:
            waiting.extend(_premises(*pair, strictly=strictly))
        except MisfitError:
            return False
    return True


def _premises(lower: CandidType, upper: CandidType, *, strictly: bool) -> Iterator[Pair]:
    """What must hold too for ``lower <: upper``; MisfitError where it cannot."""
    match lower, upper:
        case (_, Opt()):
            yield from _opt_premises(lower, upper) if strictly else ()
        case (Vec(), Vec()):
            yield lower.element, upper.element
        case (Record(), Record()):
            yield from _record_premises(lower, upper)
        case (Variant(), Variant()):
            yield from _variant_premises(lower, upper)
        case (Func(), Func()):
            yield from _func_premises(lower, upper)
        case (Service(), Service()):
            yield from _service_premises(lower.methods, upper.methods)
        case _:
            _check_plain(lower, upper)


def _opt_premises(lower: CandidType, upper: Opt) -> Iterator[Pair]:
    if isinstance(lower, Opt):
        yield lower.element, upper.element
    elif not lower.accepts_null:
        yield lower, upper.element


def _record_premises(lower: Record, upper: Record) -> Iterator[Pair]:
    for field in upper.fields:
        if field.number in lower.by_number:
            yield lower.by_number[field.number].type, field.type
        elif not field.type.accepts_null:
            raise MisfitError(f"field {field.label} is missing")


def _variant_premises(lower: Variant, upper: Variant) -> Iterator[Pair]:
    for field in lower.fields:
        if field.number not in upper.by_number:
            raise MisfitError(f"tag {field.label} is unknown")
        yield field.type, upper.by_number[field.number].type


def _func_premises(lower: Func, upper: Func) -> Iterator[Pair]:
    if lower.modes != upper.modes:
        raise MisfitError("other modes")
    yield Tuple(*upper.args), Tuple(*lower.args)
    yield Tuple(*lower.results), Tuple(*upper.results)


def _service_premises(
    lower: Mapping[str, CandidType], upper: Mapping[str, CandidType]
) -> Iterator[Pair]:
    for name, method in upper.items():
        if name not in lower:
            raise MisfitError(f"method {name} is missing")
        yield lower[name], method


def _check_plain(lower: CandidType, upper: CandidType) -> None:
    fits = (
        lower is upper
        or upper is RESERVED
        or lower is EMPTY
        or (lower is NAT and upper is INT)
        or (upper is PRINCIPAL and isinstance(lower, Service))
    )
    if not fits:
        raise MisfitError(f"expected {upper.kind}, found {lower.kind}")
