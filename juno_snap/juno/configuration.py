"""What a module is configured with: read through its own methods, and set again after a reset.

Everything is handled as it travels: a setting that this program has never heard of is among the
fields of what it belongs to, and goes back with them. What is set is what is missing or differs, so
that to do it again does no harm. A change of configuration names the version that it is based on;
that is read right before.

Source: Juno's Candid of satellites and orbiters.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

from juno_snap.errors import DecodeError, JunoSnapError, RejectedError
from juno_snap.ids import Principal
from juno_snap.juno.roles import Role
from juno_snap.juno.settable import (
    Frame,
    Item,
    by_itself,
    holds,
    items_of,
    of_collection,
    of_controller,
    of_domain,
    of_pair,
)
from juno_snap.wire.candid import (
    NULL,
    PRINCIPAL,
    TEXT,
    Opt,
    Record,
    Tagged,
    Tuple,
    Variant,
    Vec,
    decode,
    encode,
)

Ask: TypeAlias = Callable[[str, bytes], Awaitable[bytes]]
"""Call a method of the module as an update, so that its reply is certified."""

METHOD_NOT_FOUND: Final = "IC0536"
"""Source: dfinity/ic, ``rs/types/error_types``."""

CALLS_AT_ONCE: Final = 8

_NOTHING: Final = encode([], [])
_KIND: Final = Variant({"Db": NULL, "Storage": NULL})
_MEMORY: Final = Variant({"Heap": NULL, "Stable": NULL})
_STORAGE_MODE: Final = "storage mode"
_KEYS: Final = "access keys"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a configuration."""

    name: str
    reads: str
    argument: bytes = _NOTHING
    sets: str | None = None
    """None: it is set by the argument of the installation."""
    frame: Frame = by_itself
    only: frozenset[str] | None = None
    """The fields that count; none: all."""


def _rules(name: str, kind: str) -> Part:
    listed = encode([_KIND, Record({})], [Tagged(kind), {}])
    return Part(
        name=name, reads="list_rules", argument=listed, sets="set_rule", frame=of_collection(kind)
    )


_CONTROLLERS: Final = Part(
    name=_KEYS, reads="list_controllers", sets="set_controllers", frame=of_controller
)
PARTS: Final[Mapping[Role, tuple[Part, ...]]] = {
    "satellite": (
        _CONTROLLERS,
        Part(
            name="custom domains",
            reads="list_custom_domains",
            sets="set_custom_domain",
            frame=of_domain,
        ),
        Part(
            name=_STORAGE_MODE,
            reads="get_rule",
            argument=encode([_KIND, TEXT], [Tagged("Storage"), "#dapp"]),
            only=frozenset({"memory"}),
        ),
        Part(name="authentication", reads="get_auth_config", sets="set_auth_config"),
        Part(name="datastore", reads="get_db_config", sets="set_db_config"),
        Part(name="storage", reads="get_storage_config", sets="set_storage_config"),
        Part(name="automation", reads="get_automation_config", sets="set_automation_config"),
        _rules("collections of the datastore", "Db"),
        _rules("collections of the storage", "Storage"),
    ),
    "orbiter": (
        _CONTROLLERS,
        Part(
            name="satellites",
            reads="list_satellite_configs",
            sets="set_satellite_configs",
            frame=of_pair,
        ),
    ),
}
"""What can be saved of which role. A method that a release does not have is left out."""

LOST: Final[Mapping[Role, tuple[str, ...]]] = {
    "satellite": ("documents", "files, those of the website too", "users"),
    "orbiter": ("page views", "events", "performance metrics"),
}
"""Data: it is in the snapshot, and nowhere else."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a module was configured with."""

    role: Role
    replies: Mapping[str, bytes]
    """What it said, by the name of the part."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was read, in its order."""
        return tuple(part for part in PARTS[self.role] if part.name in self.replies)

    def items(self, part: Part) -> Mapping[str, Item]:
        """What is in a part, by its key."""
        return items_of(self.replies[part.name], part.only)

    def without_mode(self) -> "Configuration":
        """The same for an installation whose argument a person wrote: it decides the mode."""
        kept = {name: reply for name, reply in self.replies.items() if name != _STORAGE_MODE}
        return replace(self, replies=kept)

    def install_argument(self) -> bytes:
        """The argument that makes a fresh module of the same administrators and storage mode.

        Raises:
            DecodeError: Nobody is said to be one: a module that nobody can tell anything.
        """
        kind = Vec(Tuple(PRINCIPAL, Record({"scope": Opt(Variant({"Admin": NULL}))})))
        said = decode(self.replies[_KEYS], [kind])[0]
        admins: list[Principal] = []
        for entry in said if isinstance(said, list) else []:
            match entry:
                case (Principal() as key, {"scope": Tagged(tag="Admin")}):
                    admins.append(key)
                case _:
                    pass
        if not admins:
            raise DecodeError("no access key is said to be an administrator's")
        if self.role != "satellite":
            return encode([Record({"controllers": Vec(PRINCIPAL)})], [{"controllers": admins}])
        storage = Record({"system_memory": Opt(_MEMORY)})
        wanted = Record({"controllers": Vec(PRINCIPAL), "storage": Opt(storage)})
        mode = self._mode()
        asked = None if mode is None else {"system_memory": Tagged(mode)}
        return encode([wanted], [{"controllers": admins, "storage": asked}])

    def _mode(self) -> str | None:
        if _STORAGE_MODE not in self.replies:
            return None
        kind = Opt(Record({"memory": Opt(_MEMORY)}))
        match decode(self.replies[_STORAGE_MODE], [kind])[0]:
            case {"memory": Tagged(tag=tag)}:
                return tag
            case _:
                return None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A module does not say what it is configured with."""

    reason: str


async def read_configuration(role: Role, ask: Ask) -> Configuration | Unreadable:
    """What the module is configured with, each part by one call, all at the same time.

    Raises:
        JunoSnapError: What ``ask`` raises, unless the module itself refuses.
    """

    async def one(part: Part) -> bytes | None:
        try:
            reply = await ask(part.reads, part.argument)
        except RejectedError as error:
            if error.error_code == METHOD_NOT_FOUND and part.name != _KEYS:
                return None
            raise
        items_of(reply, part.only)
        return reply

    parts = PARTS[role]
    found = await asyncio.gather(*map(one, parts), return_exceptions=True)
    replies: dict[str, bytes] = {}
    for part, reply in zip(parts, found, strict=True):
        if isinstance(reply, RejectedError | DecodeError):
            return Unreadable(reason=f"{part.name} ({part.reads}): {reply.message}")
        if isinstance(reply, BaseException):
            raise reply
        if reply is not None:
            replies[part.name] = reply
    configuration = Configuration(role=role, replies=replies)
    try:
        configuration.install_argument()
    except DecodeError as error:
        return Unreadable(reason=f"{_KEYS}: {error.message}")
    return configuration


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SetAgain:
    """What came of setting a configuration again."""

    changed: tuple[str, ...]
    """What was missing or differed."""
    differing: tuple[str, ...]
    """What still is not as it was, with the reason where one is known."""
    error: JunoSnapError | None = None
    """The first reason."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    part: Part
    key: str
    item: Item
    version: object

    @property
    def label(self) -> str:
        return f"{self.part.name}: {self.key}" if self.key else self.part.name


async def set_again(saved: Configuration, ask: Ask) -> SetAgain:
    """Set what is missing or differs of ``saved``, and read it back.

    Raises:
        JunoSnapError: The module's present configuration cannot be read.
    """
    before = await _differences(saved, saved.parts, ask)
    limit = asyncio.Semaphore(CALLS_AT_ONCE)

    async def one(missing: _Difference) -> JunoSnapError | None:
        part = missing.part
        if part.sets is None:
            return None
        async with limit:
            try:
                await ask(part.sets, part.frame(missing.item.based_on(missing.version)))
            except JunoSnapError as error:
                return error
        return None

    errors = await asyncio.gather(*map(one, before))
    reasons = {each.label: error for each, error in zip(before, errors, strict=True) if error}
    touched = tuple(part for part in saved.parts if any(each.part == part for each in before))
    after = await _differences(saved, touched, ask)
    first = next((reasons[each.label] for each in after if each.label in reasons), None)
    return SetAgain(
        changed=tuple(each.label for each in before),
        differing=tuple(_told(each.label, reasons) for each in after),
        error=first,
    )


def _told(label: str, reasons: Mapping[str, JunoSnapError]) -> str:
    return f"{label} ({reasons[label].message})" if label in reasons else label


async def _differences(
    saved: Configuration, parts: Sequence[Part], ask: Ask
) -> tuple[_Difference, ...]:
    replies = await asyncio.gather(
        *(ask(part.reads, part.argument) for part in parts), return_exceptions=True
    )
    found: list[_Difference] = []
    for part, reply in zip(parts, replies, strict=True):
        if isinstance(reply, BaseException):
            raise reply
        present = items_of(reply, part.only)
        for key, item in saved.items(part).items():
            now = present.get(key)
            if now is None or not holds(item.settings, now.settings):
                version = None if now is None else now.version
                found.append(_Difference(part=part, key=key, item=item, version=version))
    return tuple(found)
