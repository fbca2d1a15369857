"""The fleet file: which modules, in which waves, and what is to be done with them.

```toml
[fleet]
name = "shops"
concurrency = 5
stop_after_failures = 2

[waves]
canary = 1                 # so many first
percentages = [10, 50]     # then up to these shares of the fleet, then the rest
pause_seconds = 60

[upgrade]
src = "app.wasm"           # beside this file; or version = "0.1.3", or latest = true
sha256 = "HEX"             # of this code; a module that says its own code says its own
checks = ['version() == "2.0.0"']

[backup]
directory = "backups"

[[modules]]
module = "shop-1"          # a canister id or a name
checks = ['open() == true']

[[modules]]
role = "satellite"         # every one that is configured

[[modules]]
mission_control = "ID"     # all that it looks after; with role, those of that role
```
"""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from juno_snap.errors import ConfigError
from juno_snap.files import read_toml
from juno_snap.juno.guards import Allowed
from juno_snap.juno.roles import VERSION_PATTERN

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"
"""Shorter than the name of a flow, which is made of it."""

CONCURRENCY_MAX: Final = 100
SECONDS_MAX: Final = 86_400
TIMEOUT_MAX_SECONDS: Final = 3600

Percentage = Annotated[int, Field(ge=1, le=100)]
Seconds = Annotated[int, Field(ge=1, le=TIMEOUT_MAX_SECONDS)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FleetTable(_Table):
    """What holds for all of it."""

    name: str = Field(pattern=NAME_PATTERN)
    concurrency: int = Field(default=5, ge=1, le=CONCURRENCY_MAX)
    """How many modules at once."""
    stop_after_failures: int = Field(default=1, ge=1)
    """No further module is begun after so many upgrades have failed."""


class WavesTable(_Table):
    """Who comes first."""

    canary: int = Field(default=0, ge=0)
    percentages: tuple[Percentage, ...] = Field(default=(), strict=False)
    pause_seconds: float = Field(default=0, ge=0, le=SECONDS_MAX, strict=False)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.percentages) != sorted(set(self.percentages)):
            raise ValueError("percentages are shares of the whole fleet, each above the last")
        return self


class CodeTable(_Table):
    """Which new code; a file, or a release of Juno's for the module's role."""

    src: str | None = None
    version: str | None = Field(default=None, pattern=VERSION_PATTERN)
    latest: bool = False
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    """Of the code that is said beside it, and of no other."""
    allow: tuple[Allowed, ...] = Field(default=(), strict=False)
    """Guards that are lifted, as by ``upgrade --allow-...`` and ``--unverified-release``."""

    @property
    def says_code(self) -> bool:
        """Whether the code is said here."""
        return self.src is not None or self.version is not None or self.latest

    @model_validator(mode="after")
    def _one_code(self) -> Self:
        if [self.src is not None, self.version is not None, self.latest].count(True) > 1:
            raise ValueError("say one of src, version and latest")
        if self.sha256 is not None and not self.says_code:
            raise ValueError("sha256 goes with src, version or latest in the same table")
        return self


class UpgradeTable(CodeTable):
    """The new code, and what must hold on it."""

    arg: str | None = None
    """Candid text."""
    checks: tuple[str, ...] = Field(default=(), strict=False)
    health_timeout_seconds: Seconds | None = None
    stop_timeout_seconds: Seconds | None = None
    keep: int | None = Field(default=None, ge=1)
    """Afterwards at most so many snapshots of upgrades."""
    found_stopped: Literal["ask", "start", "leave-stopped"] = "ask"
    """What to do with a module that does not run; with ``ask`` it is refused."""


class BackupTable(_Table):
    """Where copies go, and what becomes of their snapshots."""

    directory: str | None = None
    """None: the folder of the state directory where all backups lie."""
    delete_snapshot: bool = True
    """Once its copy is verified."""
    stop_after_failures: int | None = Field(default=None, ge=1)
    """None: never; what fails today must not keep the others from their backup tomorrow."""


class ModuleTable(CodeTable):
    """One module, all of a role, or all that a mission control looks after.

    Code that is said here takes the place of that of ``[upgrade]``, and of its ``sha256``; what is
    allowed is added.
    """

    module: str | None = None
    role: Literal["satellite", "mission-control", "orbiter"] | None = None
    mission_control: str | None = None
    """Its id or name; with ``role`` only those of that role."""
    arg: str | None = None
    checks: tuple[str, ...] = Field(default=(), strict=False)
    """Besides those of ``[upgrade]``."""

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if (self.module is None) == (self.role is None and self.mission_control is None):
            raise ValueError("say module, or else role, mission_control or both")
        return self


class FleetFile(_Table):
    """All of the file."""

    fleet: FleetTable
    waves: WavesTable = WavesTable()
    upgrade: UpgradeTable = UpgradeTable()
    backup: BackupTable = BackupTable()
    modules: tuple[ModuleTable, ...] = Field(min_length=1, strict=False)


def load_fleet_file(path: Path) -> FleetFile:
    """What ``path`` says.

    Raises:
        NotFoundError: There is no such file.
        ConfigError: It is no TOML, or something in it is wrong; names the file and the key.
    """
    try:
        return FleetFile.model_validate(read_toml(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is no TOML: {error}", source=str(path), hint="correct it there"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        more = error.error_count() > 1
        raise fleet_mistake(path, key, why, "there are more mistakes in it" if more else "") from (
            error
        )


def fleet_mistake(path: Path, key: str, why: str, hint: str = "") -> ConfigError:
    """The error of a key of a fleet file."""
    return ConfigError(
        f"{path}: {key}: {why}", source=str(path), key=key, hint=hint or "correct it there"
    )
