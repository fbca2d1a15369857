"""What a person may decide about the network that the replica plays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from juno_snap.ids import Principal
from juno_snap.replica.fees import STORAGE_CYCLES_PER_GIB_SECOND
from juno_snap.units import INSTALL_INSTRUCTIONS_MAX

OnInstallation: TypeAlias = Callable[[Principal, int], None]
"""Told of each installation, also one that failed: the canister, and the instructions that its old
and new code used. Called on the executor's thread."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The defaults are what suits a developer's own tests; ``ReplicaOptions`` says why."""

    rate_limits: bool = False
    snapshot_loadable_after_seconds: int = 0
    storage_cycles_per_gib_second: int = STORAGE_CYCLES_PER_GIB_SECOND
    install_instructions: int = INSTALL_INSTRUCTIONS_MAX
    takes_any_specified_id: bool = False
    on_installation: OnInstallation | None = None


DEFAULT_RULES: Final = Rules()
