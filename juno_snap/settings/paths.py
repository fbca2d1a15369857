"""Where things live on this machine."""

import os
from pathlib import Path
from typing import Final

import platformdirs

from juno_snap.errors import ConfigError

APPLICATION: Final = "juno-snap"
PROJECT_FILE: Final = "juno-snap.toml"
USER_FILE: Final = "config.toml"


def user_file() -> Path:
    """The person's own configuration, for every project; it need not exist."""
    return platformdirs.user_config_path(APPLICATION) / USER_FILE


def default_state_directory() -> Path:
    """Where state lives unless somebody says otherwise."""
    return platformdirs.user_state_path(APPLICATION)


def find_project_file(working_directory: Path) -> Path | None:
    """The nearest ``juno-snap.toml`` in ``working_directory`` or above it.

    Raises:
        ConfigError: It belongs to neither this person, root, nor the owner of the working
            directory. A configuration names commands to run, so one that a stranger left in a
            shared folder above is not obeyed.
    """
    for folder in (working_directory, *working_directory.parents):
        candidate = folder / PROJECT_FILE
        if candidate.is_file():
            hint = f"if you trust it, say so: --config {candidate}"
            check_owner(candidate, working_directory, hint=hint)
            return candidate
    return None


def check_owner(file: Path, working_directory: Path, *, hint: str) -> None:
    """Accept ``file`` from the person, root, or whoever owns ``working_directory``.

    Raises:
        ConfigError: It is somebody else's.
    """
    trusted = {0, os.getuid(), working_directory.stat().st_uid}
    if file.stat().st_uid not in trusted:
        raise ConfigError(
            f"{file} belongs to another user and is not read",
            source=str(file),
            code="config-owner",
            hint=hint,
        )


def replica_directory(state: Path) -> Path:
    """Where the local replica of this state directory keeps its own state."""
    return state / "replica"
