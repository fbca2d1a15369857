"""What an operation needs around it: a network, a journal, the user's hooks, a lock."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from juno_snap.clock import Clock, system_clock
from juno_snap.ids import Principal, SnapshotId
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.costs import DEFAULT_COSTS, CostProfile
from juno_snap.pipeline.hooks.run import NO_HOOKS, Hooks
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.lock import module_lock
from juno_snap.pipeline.journal.records import SnapshotNote
from juno_snap.pipeline.journal.vault import Vault

if TYPE_CHECKING:
    from juno_snap.pipeline.journal.store import Journal


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where operations are carried out, and where they are written down."""

    client: ManagementClient
    opens: "Callable[[], Journal]" = field(repr=False)
    """Gives the journal, the same at each call. Nothing here imports what it is made with, which
    takes longer than a command that needs no journal."""
    state: Path | None = None
    """The state directory: locks and kept modules. None: nothing outlives this process."""
    network: str = ""
    """What ``--network`` takes, for people and hooks."""
    hooks: Hooks = NO_HOOKS
    costs: CostProfile = DEFAULT_COSTS
    protected: frozenset[SnapshotId] = frozenset()
    """Snapshots that the configuration protects."""
    clock: Clock = field(default_factory=system_clock)
    is_rehearsal: bool = False
    """Only the hooks that are marked for it run, and are told so."""

    @classmethod
    def in_memory(cls, client: ManagementClient, *, clock: Clock | None = None) -> "Workspace":
        """A workspace that keeps nothing and locks nothing."""
        from juno_snap.pipeline.journal.store import Journal

        journal = Journal.in_memory()
        return cls(
            client=client,
            opens=lambda: journal,
            network=client.agent.url,
            clock=clock or system_clock(),
        )

    @property
    def journal(self) -> "Journal":
        """Where operations are written down.

        Raises:
            PreconditionError: It is damaged, of a newer version, or cannot be written.
        """
        return self.opens()

    @property
    def root_key(self) -> bytes:
        """Which network this is."""
        return self.client.agent.root_key

    @property
    def root_key_sha256(self) -> bytes:
        """The same as backups have it."""
        return hashlib.sha256(self.root_key).digest()

    @property
    def vault(self) -> Vault | None:
        """Where modules are kept until their operation ends."""
        return None if self.state is None else Vault(self.state)

    def lock(self, module: Principal) -> contextlib.AbstractContextManager[None]:
        """Hold ``module``, so that nobody else on this state directory changes it.

        Raises:
            LockedError: Somebody does.
        """
        if self.state is None:
            return contextlib.nullcontext()
        return module_lock(self.state, self.root_key, module, clock=self.clock)

    def notes(self, module: Principal) -> Mapping[SnapshotId, SnapshotNote]:
        """What is known of the snapshots of ``module``, by the journal and the configuration."""
        is_empty = self.state is not None and not (self.state / JOURNAL_FILE).exists()
        known = {} if is_empty else dict(self.journal.notes(self.root_key, module))
        for snapshot in self.protected:
            note = known.get(snapshot, SnapshotNote(id=snapshot))
            known[snapshot] = replace(note, is_protected=True)
        return known
