"""Which login of Juno's CLI is meant, and which network it is for."""

from dataclasses import dataclass
from typing import Final

PRODUCTION: Final = "production"
"""The mode where none is said."""
DEVELOPMENT: Final = "development"
"""The mode of Juno's emulator; every other one is about mainnet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Which of the person's logins: Juno's ``--mode`` and ``--profile``."""

    mode: str = PRODUCTION
    profile: str | None = None

    @property
    def is_mainnet(self) -> bool:
        """Whether its key is one for mainnet; else it is one for the emulator."""
        return self.mode != DEVELOPMENT

    @property
    def store_name(self) -> str:
        """What Juno's CLI calls the store of this login."""
        parts = ["juno", self.profile or ""]
        if self.mode and (self.mode != PRODUCTION or self.profile):
            parts.append(self.mode)
        return "-".join(filter(None, parts))
