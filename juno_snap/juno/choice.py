"""A module that was meant: by an id, a name or a role."""

from dataclasses import dataclass
from typing import final

from juno_snap.ids import Principal
from juno_snap.juno.roles import Role


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleChoice:
    """The module that something is about."""

    id: Principal
    name: str | None
    role: Role | None
    """What it was called: by whoever chose it, or in the configuration."""

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} ({self.id})" if self.name else str(self.id)
