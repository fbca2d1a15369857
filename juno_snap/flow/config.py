"""What a step is configured with; its secrets are had by name and seen by nobody else."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, final

from typing_extensions import override

from juno_snap.errors import ConfigError

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_values

REDACTED: Final = "***"


@final
class StepConfig(dict[str, object]):
    """A dictionary whose secrets are shown as ``***``.

    ``cfg["token"]`` and ``cfg.get("token")`` are the secret. Whatever goes over the whole of it
    (``json.dumps``, ``repr``, ``items``, ``values``) meets ``***`` in its place.
    """

    def __init__(self, values: Mapping[str, object], secrets: Mapping[str, str]) -> None:
        super().__init__({**values, **secrets})
        self._secrets = frozenset(secrets)

    @override
    def items(self) -> "dict_items[str, object]":
        """Names and values, secrets as ``***``."""
        return self._shown().items()

    @override
    def values(self) -> "dict_values[str, object]":
        """The values, secrets as ``***``."""
        return self._shown().values()

    @override
    def __repr__(self) -> str:
        return repr(self._shown())

    def _shown(self) -> dict[str, object]:
        return {name: REDACTED if name in self._secrets else self[name] for name in self}


def resolve_secrets(
    step: str, secrets: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """The secrets of a step, each out of its variable.

    Raises:
        ConfigError: A variable is not set, or empty.
    """
    found = {}
    for name, variable in secrets.items():
        value = environment.get(variable, "")
        if not value:
            raise ConfigError(
                f"{name!r} of step {step!r} is in the variable {variable}, which is not set",
                source=variable,
                key=name,
                hint=f"set {variable}",
            )
        found[name] = value
    return found


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` without any of these values, as they are and as JSON has them."""
    for secret in sorted(secrets, key=len, reverse=True):
        for is_ascii in (True, False):
            text = text.replace(json.dumps(secret, ensure_ascii=is_ascii)[1:-1], REDACTED)
        text = text.replace(secret, REDACTED)
    return text
