"""What a value of one type is at another: coercion.

Decoding first reads a message at the types that it declares, then coerces the values to the types
that are expected, as the specification describes it; so a mistake below an ``opt`` costs nothing
but that option, and bytes that are malformed are an error wherever they stand.

Source: Candid specification, "Coercion".
"""

from juno_snap.errors import DecodeError
from juno_snap.wire.candid.primitives import NULL, RESERVED, CandidType, Future
from juno_snap.wire.candid.subtype import is_subtype
from juno_snap.wire.candid.types import Opt, Record, Variant, Vec
from juno_snap.wire.candid.values import MisfitError, Tagged


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
