"""What a person may decide about the network that the replica plays."""

from dataclasses import dataclass
from typing import Final, final

from juno_snap.replica.fees import STORAGE_CYCLES_PER_GIB_SECOND


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The defaults are what suits a developer's own tests; ``ReplicaOptions`` says why."""

    rate_limits: bool = False
    snapshot_loadable_after_seconds: int = 0
    storage_cycles_per_gib_second: int = STORAGE_CYCLES_PER_GIB_SECOND


DEFAULT_RULES: Final = Rules()
