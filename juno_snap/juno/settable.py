"""Settings of a module as they travel: taken out of replies, compared, put into arguments. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

from juno_snap.errors import DecodeError
from juno_snap.wire.candid import (
    NULL,
    PRINCIPAL,
    CandidType,
    Opt,
    Record,
    Some,
    Tagged,
    Tuple,
    TypedValue,
    Variant,
    Vec,
    decode_untyped,
    encode,
)
from juno_snap.wire.candid.values import label_id, label_of_id

STAMPS: Final = frozenset({label_id("created_at"), label_id("updated_at")})
"""Fields that the module writes by itself."""

_VERSION: Final = label_of_id(label_id("version"))
_DOMAIN: Final = label_id("bn_id")
_ITEMS: Final = label_id("items")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One setting: its fields under the types with which the module sent them."""

    key: TypedValue | None
    """None: it is the only one of its part."""
    type: Record
    fields: Mapping[str, object]

    @property
    def version(self) -> object:
        """What a change of it has to name; none where it has none."""
        return self.fields.get(_VERSION)

    @property
    def settings(self) -> Mapping[str, object]:
        """What a person has set."""
        return {label: value for label, value in self.fields.items() if label != _VERSION}

    def based_on(self, version: object) -> "Item":
        """The same as a change of what has ``version`` now."""
        if _VERSION not in self.fields:
            return self
        return replace(self, fields={**self.fields, _VERSION: version})


Frame: TypeAlias = Callable[[Item], bytes]
"""Makes of an item the argument of the method that sets it."""


def by_itself(item: Item) -> bytes:
    """``(settings)``."""
    return encode([item.type], [item.fields])


def of_domain(item: Item) -> bytes:
    """``("example.com", opt "bn")``."""
    key, field = _key(item), item.type.by_number[_DOMAIN]
    return encode([key.type, field.type], [key.value, item.fields[field.label]])


def of_controller(item: Item) -> bytes:
    """``(record { controllers = vec { key }; controller = settings })``."""
    kind = Record({"controllers": Vec(PRINCIPAL), "controller": item.type})
    return encode([kind], [{"controllers": [_key(item).value], "controller": item.fields}])


def of_pair(item: Item) -> bytes:
    """``(vec { record { key; settings } })``."""
    key = _key(item)
    return encode([Vec(Tuple(key.type, item.type))], [[(key.value, item.fields)]])


def of_collection(kind: str) -> Frame:
    """``(variant { kind }, "collection", settings)``."""

    def frame(item: Item) -> bytes:
        key = _key(item)
        types = [Variant({kind: NULL}), key.type, item.type]
        return encode(types, [Tagged(kind), key.value, item.fields])

    return frame


def _key(item: Item) -> TypedValue:
    if item.key is None:
        raise DecodeError("a setting has no key")
    return item.key


def items_of(reply: bytes, only: frozenset[str] | None = None) -> Mapping[str, Item]:
    """What a reply lists, by its key as text; one that stands alone has an empty key.

    Raises:
        DecodeError: It lists nothing of that kind.
    """
    given = decode_untyped(reply)
    if not given:
        raise DecodeError("the reply is empty")
    kind, value = given[0].type.resolved(), given[0].value
    if isinstance(kind, Opt):
        if value is None:
            return {}
        kind = kind.element.resolved()
    if isinstance(kind, Record) and isinstance(value, Mapping) and _ITEMS in kind.by_number:
        listed = kind.by_number[_ITEMS]
        kind, value = listed.type.resolved(), value[listed.label]
    if isinstance(kind, Vec) and isinstance(value, list):
        return dict(_entries(kind.element.resolved(), value, only))
    return {"": _item(None, kind, value, only)}


def _entries(
    kind: CandidType, entries: list[object], only: frozenset[str] | None
) -> Iterator[tuple[str, Item]]:
    if not entries:
        return
    if not isinstance(kind, Tuple) or len(kind.fields) != len(("key", "settings")):
        raise DecodeError("the reply lists no pairs")
    for entry in entries:
        if isinstance(entry, tuple):
            key, content = entry
            named = TypedValue(kind.fields[0].type, key)
            yield str(key), _item(named, kind.fields[1].type.resolved(), content, only)


def _item(
    key: TypedValue | None, kind: CandidType, value: object, only: frozenset[str] | None
) -> Item:
    if not isinstance(kind, Record) or not isinstance(value, Mapping):
        raise DecodeError(f"the reply has {kind.kind} where settings are expected")
    wanted = None if only is None else frozenset(map(label_id, only))
    kept = [
        field
        for field in kind.fields
        if field.number not in STAMPS and (wanted is None or field.number in wanted)
    ]
    return Item(
        key=key, type=Record(kept), fields={field.label: value[field.label] for field in kept}
    )


def holds(saved: object, present: object) -> bool:
    """Whether all that was ``saved`` is in what is there at ``present``.

    A newer release may have more fields; what has an order in a message may have none in a module.
    """
    match saved, present:
        case Mapping(), Mapping():
            return all(holds(value, present.get(label)) for label, value in saved.items())
        case list(), list():
            return saved == present or _same_members(saved, present)
        case tuple(), tuple():
            return len(saved) == len(present) and all(map(holds, saved, present))
        case Tagged(), Tagged():
            return saved.tag == present.tag and holds(saved.value, present.value)
        case Some(), Some():
            return holds(saved.value, present.value)
        case _:
            return saved == present


def _same_members(saved: list[object], present: list[object]) -> bool:
    left = list(present)
    for each in saved:
        place = next((place for place, other in enumerate(left) if holds(each, other)), None)
        if place is None:
            return False
        del left[place]
    return not left
