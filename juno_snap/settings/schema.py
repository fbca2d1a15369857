"""What may be written in a configuration file: nothing else, and in no other type."""

import re
from typing import Annotated, Final, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from juno_snap.errors import InputError
from juno_snap.ids import Principal, SnapshotId
from juno_snap.settings.model import Role

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ELSEWHERE_PATTERN: Final = re.compile(r"juno:(store|token)|(icp|dfx):[^/:]+")
"""Keys that other tools keep; the name of a key of our own has no colon."""
PRINCIPAL_PATTERN: Final = re.compile(r"[a-z2-7]{5}(-[a-z2-7]{5})*-[a-z2-7]{1,5}", re.IGNORECASE)
ROOT_KEY_DER_BYTES: Final = 133
"""A BLS12-381 public key in its DER wrapping. Source: interface specification, "Certificate"."""

STOP_TIMEOUT_MAX_SECONDS: Final = 3600
HEALTH_TIMEOUT_MAX_SECONDS: Final = 3600
ROLLBACK_WINDOW_MAX_SECONDS: Final = 86_400
COMMAND_MAX_SECONDS: Final = 3600
MODE_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CALL_TTL_MAX_SECONDS: Final = 300
"""The network refuses calls that live longer. Source: interface specification, "Authentication":
the ingress expiry is at most 5 minutes ahead."""


def looks_like_principal(text: str) -> bool:
    """Whether ``text`` is written as a principal, right or wrong."""
    return PRINCIPAL_PATTERN.fullmatch(text) is not None


def _name(text: str) -> str:
    if not NAME_PATTERN.fullmatch(text):
        raise ValueError("a name has letters, digits, '.', '_' and '-', at most 64 of them")
    if looks_like_principal(text):
        raise ValueError("a name may not look like a canister id")
    return text


def _mode(text: str) -> str:
    if not MODE_PATTERN.fullmatch(text):
        raise ValueError("a mode or profile has letters, digits, '.', '_' and '-', at most 64")
    return text


def _principal(text: str) -> str:
    try:
        return str(Principal.parse(text))
    except InputError as error:
        raise ValueError(error.message) from error


def _snapshot_id(text: str) -> str:
    try:
        return str(SnapshotId.parse(text))
    except InputError as error:
        raise ValueError(error.message) from error


def check_url(text: str) -> str:
    """``text`` as a network's URL, without a slash at its end; ``ValueError`` if it is none."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a network's URL begins with http:// or https:// and names a host")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("a network's URL has no user, query or fragment")
    return text.rstrip("/")


def _root_key(text: str) -> str:
    if text in {"ic", "fetch"}:
        return text
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != ROOT_KEY_DER_BYTES:
        raise ValueError('a root key is "ic", "fetch" or 266 hexadecimal digits')
    return text.lower()


def _pinned(text: str) -> str:
    if text == "fetch":
        raise ValueError('releases are verified with a key that is known: "ic", or hexadecimal')
    return text


def _key_elsewhere(text: str) -> str:
    if not ELSEWHERE_PATTERN.fullmatch(text):
        raise ValueError("a key is juno:store, juno:token, icp:NAME or dfx:NAME")
    return text


Name: TypeAlias = Annotated[str, AfterValidator(_name)]
Mode: TypeAlias = Annotated[str, AfterValidator(_mode)]
KeyElsewhere: TypeAlias = Annotated[str, AfterValidator(_key_elsewhere)]
Url: TypeAlias = Annotated[str, AfterValidator(check_url)]
RootKeyText: TypeAlias = Annotated[str, AfterValidator(_root_key)]
CanisterText: TypeAlias = Annotated[str, AfterValidator(_principal)]
SnapshotText: TypeAlias = Annotated[str, AfterValidator(_snapshot_id)]
Command: TypeAlias = Annotated[list[str], Field(min_length=1)]
CommandSeconds: TypeAlias = Annotated[int, Field(ge=1, le=COMMAND_MAX_SECONDS)]
Amount: TypeAlias = Annotated[int, Field(ge=0)]


class Table(BaseModel):
    """What every table has in common: no unknown key, no silent conversion."""

    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class NetworkTable(Table):
    """``[network.NAME]``; URL and root key are both said, or it is about one that is built in."""

    url: Url | None = None
    root_key: RootKeyText | None = None
    costs: dict[str, Amount] = Field(default_factory=dict)
    """Prices by name; which names there are is known to the code that reckons with them."""


class CheckTable(Table):
    """An entry of ``checks``: a call as text, a command, or a version."""

    call: str | None = None
    command: Command | None = None
    version: str | None = None
    timeout_seconds: CommandSeconds | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = [each for each in (self.call, self.command, self.version) if each is not None]
        if len(said) != 1:
            raise ValueError("a check is one of call, command and version")
        return self


def _check(entry: object) -> object:
    """A check that is only text is a call."""
    match entry:
        case str():
            return {"call": entry}
        case dict():
            return entry
        case _:
            raise ValueError("a check is text, or a table with command or version")


class ModuleTable(Table):
    """``[modules.NAME]``."""

    canister: CanisterText
    role: Role | None = None
    mode: Mode | None = None
    """For which mode the role's ``-t`` means this one; production where nothing is said."""
    checks: list[Annotated[CheckTable, BeforeValidator(_check)]] = Field(default_factory=list)
    protected_snapshots: list[SnapshotText] = Field(default_factory=list)


class HookTable(Table):
    """An entry of ``[[hooks]]``."""

    name: Name
    point: str
    command: Command | None = None
    function: str | None = None
    timeout_seconds: CommandSeconds | None = None
    pass_variables: list[str] = Field(default_factory=list)
    """Variables that its command gets although they look like secrets."""
    for_rehearsal: bool = False
    modules: list[str] | None = None
    """Names and canister ids; every module where nothing is said."""


def _named_apart(hooks: list[HookTable]) -> list[HookTable]:
    names = [hook.name for hook in hooks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two hooks are named {name}")
    return hooks


class IdentityTable(Table):
    """``[identity.NAME]``; without a key it is about the imported key of that name."""

    key_file: str | None = None
    key: KeyElsewhere | None = None
    delegation_file: str | None = None
    password_command: Command | None = None
    password_file: str | None = None

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if self.key is not None and self.key_file is not None:
            raise ValueError("key and key_file name two keys; say one")
        return self


class UpgradeTable(Table):
    """``[upgrade]``."""

    stop_timeout_seconds: int | None = Field(default=None, ge=1, le=STOP_TIMEOUT_MAX_SECONDS)
    health_timeout_seconds: int | None = Field(default=None, ge=1, le=HEALTH_TIMEOUT_MAX_SECONDS)
    rollback_window_seconds: int | None = Field(default=None, ge=0, le=ROLLBACK_WINDOW_MAX_SECONDS)
    rehearsal_instruction_limit: int | None = Field(default=None, ge=1)


class CallsTable(Table):
    """``[calls]``."""

    ttl_seconds: int | None = Field(default=None, ge=1, le=CALL_TTL_MAX_SECONDS)


class RetentionTable(Table):
    """``[retention]``: how many backups of each kind ``backup prune`` keeps."""

    keep_last: Amount | None = None
    keep_daily: Amount | None = None
    keep_weekly: Amount | None = None
    keep_monthly: Amount | None = None


class ReleasesTable(Table):
    """``[releases]``: where the published releases are."""

    url: Url | None = None
    """Holds ``metadata.json`` and the files."""
    checksums_url: Url | None = None
    """Holds ``v<tag>/checksums.txt``."""
    canister: CanisterText | None = None
    """The one that has to vouch for the files."""
    root_key: Annotated[RootKeyText, AfterValidator(_pinned)] | None = None
    """Of its network."""


class Document(Table):
    """A whole file, or what the environment says in its place. Nothing in it is required."""

    default_network: str | None = None
    default_identity: str | None = None
    network: dict[Name, NetworkTable] = Field(default_factory=dict)
    modules: dict[Name, ModuleTable] = Field(default_factory=dict)
    identity: dict[Name, IdentityTable] = Field(default_factory=dict)
    hooks: Annotated[list[HookTable], AfterValidator(_named_apart)] = Field(default_factory=list)
    upgrade: UpgradeTable = Field(default_factory=UpgradeTable)
    calls: CallsTable = Field(default_factory=CallsTable)
    retention: RetentionTable = Field(default_factory=RetentionTable)
    releases: ReleasesTable = Field(default_factory=ReleasesTable)


class Spoken(Document):
    """What variables and options may say: all that a file may, and what has no place in a file."""

    root_key: RootKeyText | None = None
    state_directory: str | None = None
    mode: Mode | None = None
    profile: Mode | None = None
