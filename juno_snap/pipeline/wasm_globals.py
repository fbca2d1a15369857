"""The globals of a Wasm module as snapshots list them, and how those of a backup differ.

The network loads an uploaded snapshot only where both have the same number and types, and does not
name the one that differs. Source: dfinity/ic, ``wasmtime_embedder.rs`` and ``instrumentation.rs``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, final

from juno_snap.backup import model

VALUE_TYPES: Final = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
"""Source: WebAssembly core specification, "Number Types" and "Vector Types"."""

OTHER_TYPE: Final = "reference"
"""A mutable or exported one the network does not take."""

NAME_SHOWN_CHARACTERS: Final = 60

MUTABLE: Final = 1
MORE: Final = 0x80

END: Final = 0x0B
NUMBERED: Final = frozenset({0x41, 0x42, 0x23, 0xD0, 0xD2})
"""i32.const, i64.const, global.get, ref.null, ref.func: a LEB128 number follows."""
FIXED: Final = {0x43: 4, 0x44: 8}
"""f32.const and f64.const: so many bytes follow."""
VECTOR: Final = 0xFD
"""Of these only v128.const is constant: its number, then 16 bytes."""
VECTOR_BYTES: Final = 16
PLAIN: Final = frozenset({0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E})
"""Sums, differences and products of i32 and i64."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SavedGlobal:
    """A global that snapshots have."""

    index: int
    """In the module."""
    kind: str
    exported_as: str | None

    @property
    def told(self) -> str:
        """Which one it is, for people."""
        name = "mutable"
        if self.exported_as is not None:
            name = f"exported as {self.exported_as[:NAME_SHOWN_CHARACTERS]!r}"
        return f"{self.kind} (its global {self.index}, {name})"


def saved_globals(
    section: bytes, exports: Sequence[tuple[int, str]]
) -> tuple[SavedGlobal, ...] | None:
    """Those of a module, in the order of snapshots; None: its section is not understood.

    First the exported ones in the order of the export section, then the other mutable ones.
    """
    try:
        declared = _declared(section)
        exported = [(index, name, declared[index][0]) for index, name in exports]
    except IndexError:
        return None
    names = {index for index, _ in exports}
    others = [
        (index, None, kind)
        for index, (kind, is_mutable) in enumerate(declared)
        if is_mutable and index not in names
    ]
    return tuple(
        SavedGlobal(index=index, kind=kind, exported_as=name)
        for index, name, kind in [*exported, *others]
    )


def globals_problem(
    backup: Sequence[model.Global], code: tuple[SavedGlobal, ...] | None
) -> str | None:
    """Where the globals of a backup are not those of its code; None: nowhere, or not known."""
    for number, (ours, theirs) in enumerate(zip_longest(backup, code or ())):
        if code is None or (ours and theirs and ours.kind == theirs.kind):
            continue
        here = f"{ours.kind} {ours.value}" if ours else "missing"
        there = theirs.told if theirs else "missing"
        return (
            f"global {number} is {here} in the metadata of the backup and {there} in its code "
            f"({len(backup)} globals in the one, {len(code)} in the other)"
        )
    return None


def _declared(section: bytes) -> list[tuple[str, bool]]:
    """Type and mutability of each global. ``IndexError``: the section is cut or has another form.

    Modules of the network import no globals, so that the first one declared has index 0.
    """
    count, at = _number(section, 0) if section else (0, 0)
    found = []
    for _ in range(count):
        found.append((VALUE_TYPES.get(section[at], OTHER_TYPE), section[at + 1] == MUTABLE))
        at = _after_value(section, at + 2)
    return found


def _after_value(section: bytes, at: int) -> int:
    """Where the constant expression at ``at`` ends."""
    while section[at] != END:
        opcode, at = section[at], at + 1
        if opcode in NUMBERED:
            _, at = _number(section, at)
        elif opcode == VECTOR:
            _, at = _number(section, at)
            at += VECTOR_BYTES
        elif opcode in FIXED:
            at += FIXED[opcode]
        elif opcode not in PLAIN:
            raise IndexError(at)
    return at + 1


def _number(section: bytes, at: int) -> tuple[int, int]:
    value = place = 0
    while section[at] & MORE:
        value |= (section[at] & ~MORE) << place
        at, place = at + 1, place + 7
    return value | section[at] << place, at + 1
