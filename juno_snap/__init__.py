"""Safe snapshots and upgrades of Juno modules on the Internet Computer.

```python
async with juno_snap.connect("local") as network:
    module = network.module("store")
    report = await module.upgrade(Path("store-v2.wasm"), checks=['version() == "0.2.0"'])
```

``connect`` makes a ``Network``, which makes ``Module``s; what they return are values, what goes
wrong is a ``JunoSnapError`` with a code, a hint and its values as fields. Nothing is written to a
terminal, and no signal handler is set, but the one of ``run_flow``: a task that is cancelled
(Ctrl-C in ``asyncio.run``) starts the module before it ends. ``Flow`` declares steps that are
stopped and go on; ``run_flow`` runs them. ``Network.fleet`` works on many modules in waves.

The packages import in one direction only; ``tests/architecture`` holds the table: base modules,
then ``wire``, ``agent``, ``management``, ``pipeline``, ``flow``, ``library``, and ``cli`` on top.
``replica`` (the local replica) shares nothing but the base modules and ``wire`` with the rest. What
this module offers is imported when it is first used, so that ``import juno_snap`` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from juno_snap.version import __version__

if TYPE_CHECKING:
    from juno_snap.agent.identity import Identity, generate_ed25519, load_pem
    from juno_snap.errors import (
        ConfigError,
        DecodeError,
        FlowError,
        IdentityError,
        InputError,
        JunoSnapError,
        LockedError,
        NotFoundError,
        OperationError,
        OutcomeUnknownError,
        PreconditionError,
        RejectedError,
        TransportError,
        TrustError,
    )
    from juno_snap.events import (
        BytesMoved,
        Event,
        Notice,
        Observer,
        StepFinished,
        StepStarted,
        Waiting,
    )
    from juno_snap.flow.engine import RunReport
    from juno_snap.flow.fleet_plan import FleetPlan
    from juno_snap.flow.fleet_report import FleetFailedError, FleetReport
    from juno_snap.flow.flow import Attempts, Flow
    from juno_snap.ids import Principal, SnapshotId
    from juno_snap.juno.releases.model import Catalogue
    from juno_snap.library.fleet import Fleet
    from juno_snap.library.flows import run_flow
    from juno_snap.library.module import Module
    from juno_snap.library.network import Network, connect
    from juno_snap.library.releases import Releases
    from juno_snap.pipeline.policy import (
        FreeSlot,
        KeepNewest,
        NoOverwrite,
        NoSnapshot,
        ReplaceSnapshot,
    )
    from juno_snap.pipeline.rehearsal import RehearsalFailedError, RehearsalReport
    from juno_snap.pipeline.releases.forecast import ReleasePlan
    from juno_snap.pipeline.releases.passage import Passage
    from juno_snap.pipeline.report import (
        OperationCancelledError,
        OperationFailedError,
        OperationRefusedError,
        OperationUnknownError,
        RestoreReport,
        SnapshotReport,
        UpgradeReport,
    )
    from juno_snap.pipeline.request import UpgradeRequest

__all__ = [
    "Attempts",
    "BytesMoved",
    "Catalogue",
    "ConfigError",
    "DecodeError",
    "Event",
    "Fleet",
    "FleetFailedError",
    "FleetPlan",
    "FleetReport",
    "Flow",
    "FlowError",
    "FreeSlot",
    "Identity",
    "IdentityError",
    "InputError",
    "JunoSnapError",
    "KeepNewest",
    "LockedError",
    "Module",
    "Network",
    "NoOverwrite",
    "NoSnapshot",
    "NotFoundError",
    "Notice",
    "Observer",
    "OperationCancelledError",
    "OperationError",
    "OperationFailedError",
    "OperationRefusedError",
    "OperationUnknownError",
    "OutcomeUnknownError",
    "Passage",
    "PreconditionError",
    "Principal",
    "RehearsalFailedError",
    "RehearsalReport",
    "RejectedError",
    "ReleasePlan",
    "Releases",
    "ReplaceSnapshot",
    "RestoreReport",
    "RunReport",
    "SnapshotId",
    "SnapshotReport",
    "StepFinished",
    "StepStarted",
    "TransportError",
    "TrustError",
    "UpgradeReport",
    "UpgradeRequest",
    "Waiting",
    "__version__",
    "connect",
    "generate_ed25519",
    "load_pem",
    "run_flow",
]

HOMES: Final = {
    "juno_snap.agent.identity": ("Identity", "generate_ed25519", "load_pem"),
    "juno_snap.errors": (
        "ConfigError",
        "DecodeError",
        "FlowError",
        "IdentityError",
        "InputError",
        "JunoSnapError",
        "LockedError",
        "NotFoundError",
        "OperationError",
        "OutcomeUnknownError",
        "PreconditionError",
        "RejectedError",
        "TransportError",
        "TrustError",
    ),
    "juno_snap.events": (
        "BytesMoved",
        "Event",
        "Notice",
        "Observer",
        "StepFinished",
        "StepStarted",
        "Waiting",
    ),
    "juno_snap.flow.engine": ("RunReport",),
    "juno_snap.flow.fleet_plan": ("FleetPlan",),
    "juno_snap.flow.fleet_report": ("FleetFailedError", "FleetReport"),
    "juno_snap.flow.flow": ("Attempts", "Flow"),
    "juno_snap.ids": ("Principal", "SnapshotId"),
    "juno_snap.library.fleet": ("Fleet",),
    "juno_snap.library.flows": ("run_flow",),
    "juno_snap.juno.releases.model": ("Catalogue",),
    "juno_snap.library.module": ("Module",),
    "juno_snap.library.network": ("Network", "connect"),
    "juno_snap.library.releases": ("Releases",),
    "juno_snap.pipeline.policy": (
        "FreeSlot",
        "KeepNewest",
        "NoOverwrite",
        "NoSnapshot",
        "ReplaceSnapshot",
    ),
    "juno_snap.pipeline.rehearsal": ("RehearsalFailedError", "RehearsalReport"),
    "juno_snap.pipeline.releases.forecast": ("ReleasePlan",),
    "juno_snap.pipeline.releases.passage": ("Passage",),
    "juno_snap.pipeline.report": (
        "OperationCancelledError",
        "OperationFailedError",
        "OperationRefusedError",
        "OperationUnknownError",
        "RestoreReport",
        "SnapshotReport",
        "UpgradeReport",
    ),
    "juno_snap.pipeline.request": ("UpgradeRequest",),
}
"""Where the names are, each imported when it is first used."""

if not TYPE_CHECKING:  # a type checker would take it for a promise of any name

    def __getattr__(name: str) -> object:
        for home, names in HOMES.items():
            if name in names:
                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
