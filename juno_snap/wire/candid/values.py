"""Candid values that Python has no type of its own for, and the ids of labels."""

import re
from dataclasses import dataclass
from typing import Final, final

from juno_snap.ids import Principal

FIELD_ID_LIMIT: Final = 2**32
"""Field ids are below this. Source: Candid specification, "Records"."""

_HASH_FACTOR: Final = 223
_NUMBERED: Final = re.compile(r"_(0|[1-9][0-9]{0,9})_")


@final
@dataclass(frozen=True, slots=True)
class Some:
    """A present option where the content could itself be None: ``opt opt``, ``opt null``."""

    value: object


@final
@dataclass(frozen=True, slots=True)
class Tagged:
    """A value of a variant. ``value`` is None where the tag carries nothing."""

    tag: str
    value: object = None


@final
@dataclass(frozen=True, slots=True)
class FuncRef:
    """A public method of a canister."""

    principal: Principal
    method: str


class MisfitError(Exception):
    """A value does not fit a type. Stays inside this package; ``path`` leads to the place."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path: list[str] = []

    def within(self, place: str) -> None:
        """Note on the way out where this happened."""
        self.path.append(place)

    def explain(self) -> str:
        """``argument 1, field a, item 3: expected nat, found text``."""
        place = ", ".join(reversed(self.path))
        return f"{place}: {self.message}" if place else self.message


def label_id(label: str) -> int:
    """The field id of a label: a hash of its name, or N for ``_N_`` (a field known by id only).

    Source: Candid specification, "Shorthand: Symbolic Field Names"; the form ``_N_`` is agent-js's.
    """
    numbered = _NUMBERED.fullmatch(label)
    if numbered and int(numbered[1]) < FIELD_ID_LIMIT:
        return int(numbered[1])
    return name_hash(label)


def name_hash(name: str) -> int:
    """The field id of a name, whatever it looks like."""
    number = 0
    for byte in name.encode():
        number = (number * _HASH_FACTOR + byte) % FIELD_ID_LIMIT
    return number


def label_text(label: str) -> str:
    """A label as a person may read it: ``N`` for ``_N_``."""
    number = label_id(label)
    return str(number) if label == label_of_id(number) else label


def label_of_id(number: int) -> str:
    """The label of a field of which only the id is known."""
    return f"_{number}_"
