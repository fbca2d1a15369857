"""Identities of icp-cli and dfx: which there are, and where their keys lie.

icp-cli 1.x: ``identity/identity_list.json``, ``identity/keys/NAME.pem`` (PKCS #8, plain or with a
password), ``identity/delegations/NAME.json``, and the system's keyring, which then has the PEM.
dfx: ``identity/NAME/identity.pem`` and ``identity.json``, which says where the key is if not there:
in the keyring (PEM as hexadecimal text), on a device, or in a file encrypted in a form of its own.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from juno_snap.errors import IdentityError, NotFoundError
from juno_snap.files import read_file

Tool: TypeAlias = Literal["icp", "dfx"]

ICP_LIST_VERSION: Final = 1
ICP_SERVICE: Final = "icp-cli"
DFX_SERVICE: Final = "internet_computer_identities"
DFX_USER_PREFIX: Final = "internet_computer_identity_"
"""Names in the keyring. Source: icp-cli, ``identity/key.rs``; dfx, ``keyring_mock.rs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringEntry:
    """Where in the system's keyring a key is."""

    service: str
    user: str
    is_hex: bool
    """The PEM is written as hexadecimal text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolKey:
    """An identity of another tool, not opened."""

    tool: Tool
    name: str
    principal: str | None
    """None: not known before it is opened."""
    place: Path | KeyringEntry | None
    """A PEM file or the keyring; None: this program cannot read it where it is."""
    storage: str
    """For people: what the tool calls it."""
    delegation_file: Path | None = None
    is_exportable: bool = True
    """Whether the tool can write the key to a file."""

    @property
    def label(self) -> str:
        """What it is called here."""
        return f"{self.tool}:{self.name}"

    @property
    def way_out(self) -> str:
        """For people: how to use it although this program cannot read it."""
        if not self.is_exportable:
            return "use another identity"
        return (
            f"let {self.tool} write it to a file, then import that: {self.tool} identity export "
            f"{self.name} > key.pem; juno-snap identity import key.pem --name {self.name}"
        )

    @property
    def source(self) -> str:
        """For people: where the key is."""
        match self.place:
            case Path():
                return str(self.place)
            case KeyringEntry():
                return f"keyring ({self.place.service}, {self.place.user})"
            case None:
                return self.storage


class _IcpStorage(BaseModel):
    kind: str


class _IcpEntry(BaseModel):
    kind: str
    principal: str | None = None
    storage: _IcpStorage | None = None


class _IcpList(BaseModel):
    v: int
    identities: dict[str, _IcpEntry]


class _DfxConfig(BaseModel):
    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    hsm: object = None
    encryption: object = None
    keyring_suffix: str | None = Field(default=None, alias="keyring_identity_suffix")


def tool_keys(tool: Tool, environment: Mapping[str, str] = os.environ) -> tuple[ToolKey, ...]:
    """The identities that ``tool`` has on this machine, by name; not its anonymous one.

    Raises:
        IdentityError: What it wrote there is damaged, or of a newer version.
    """
    if tool == "icp":
        return _icp_keys(icp_folder(environment))
    root = dfx_folder(environment)
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return tuple(found for folder in folders if (found := _dfx_key(folder)))


def tool_key(tool: Tool, name: str) -> ToolKey:
    """The one of that name, of which this program can read the key.

    Raises:
        IdentityError: There is none, or its key is where this program cannot read it.
    """
    keys = {key.name: key for key in tool_keys(tool)}
    found = keys.get(name)
    if found is None:
        raise IdentityError(
            f"{tool} has no identity named {name}",
            code="unknown-identity",
            hint=f"it has {', '.join(keys)}" if keys else f"it has none in {_folder(tool)}",
        )
    if found.place is None:
        raise IdentityError(
            f"the identity {found.label} cannot be used here: {found.storage}",
            code="identity-storage",
            hint=found.way_out,
        )
    return found


def icp_folder(environment: Mapping[str, str], *, platform: str = sys.platform) -> Path:
    """Where icp-cli keeps identities."""
    said, home = environment.get("ICP_HOME"), _home(environment)
    if said:
        return Path(said, "identity")
    if platform == "darwin":
        return home / "Library" / "Application Support" / "org.dfinity.icp-cli" / "identity"
    data = environment.get("XDG_DATA_HOME") or home / ".local" / "share"
    return Path(data, "icp-cli", "identity")


def dfx_folder(environment: Mapping[str, str]) -> Path:
    """Where dfx keeps identities, on Linux and on macOS."""
    root = environment.get("DFX_CONFIG_ROOT") or _home(environment)
    return Path(root, ".config", "dfx", "identity")


def _folder(tool: Tool) -> Path:
    return icp_folder(os.environ) if tool == "icp" else dfx_folder(os.environ)


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


def _icp_keys(folder: Path) -> tuple[ToolKey, ...]:
    file = folder / "identity_list.json"
    if not file.exists():
        return ()
    try:
        listed = _IcpList.model_validate_json(read_file(file))
    except (ValidationError, NotFoundError) as error:
        raise _unreadable(file) from error
    if listed.v != ICP_LIST_VERSION:
        raise _unreadable(file)
    return tuple(
        _icp_key(folder, name, entry)
        for name, entry in sorted(listed.identities.items())
        if entry.kind != "anonymous"
    )


def _icp_key(folder: Path, name: str, entry: _IcpEntry) -> ToolKey:
    place: Path | KeyringEntry | None = None
    delegation, storage = None, entry.kind
    match entry.kind, entry.storage.kind if entry.storage else None:
        case "pem", _:
            place = folder / "keys" / f"{name}.pem"
        case "keyring", _:
            place = KeyringEntry(service=ICP_SERVICE, user=name, is_hex=False)
        case "web-auth" | "internet-identity" | "delegation", kind:
            delegation = folder / "delegations" / f"{name}.json"
            place = folder / "keys" / f"{name}.pem"
            if kind == "keyring":
                user = f"delegation:{name}"
                place = KeyringEntry(service=ICP_SERVICE, user=user, is_hex=False)
        case "pending-delegation", _:
            storage = "its delegation was not given yet"
        case _:
            storage = f"its key is kept as {entry.kind}"
    return ToolKey(
        tool="icp",
        name=name,
        principal=entry.principal,
        place=place,
        storage=storage,
        delegation_file=delegation,
        is_exportable=place is not None and delegation is None,
    )


def _dfx_key(folder: Path) -> ToolKey | None:
    key_file, config_file = folder / "identity.pem", folder / "identity.json"
    config = _DfxConfig()
    if config_file.exists():
        try:
            config = _DfxConfig.model_validate_json(read_file(config_file))
        except (ValidationError, NotFoundError):  # which says nothing about dfx's other identities
            return ToolKey(
                tool="dfx",
                name=folder.name,
                principal=None,
                place=None,
                storage=f"{config_file} is damaged, or of a newer version of dfx",
                is_exportable=False,
            )
    place: Path | KeyringEntry | None = None
    if config.hsm:
        storage = "its key is on a device"
    elif config.keyring_suffix:
        user = f"{DFX_USER_PREFIX}{config.keyring_suffix}"
        place, storage = KeyringEntry(service=DFX_SERVICE, user=user, is_hex=True), "keyring"
    elif config.encryption:
        storage = "its file is encrypted in a form that only dfx reads"
    elif key_file.exists():
        place, storage = key_file, "pem"
    else:
        return None
    return ToolKey(
        tool="dfx",
        name=folder.name,
        principal=None,
        place=place,
        storage=storage,
        is_exportable=not config.hsm,
    )


def _unreadable(file: Path) -> IdentityError:
    return IdentityError(
        f"{file} cannot be read: it is damaged, or of a newer version of icp",
        code="identity-malformed",
        hint="say the key file itself: --identity PATH",
    )
