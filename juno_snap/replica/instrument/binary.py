"""Reads and writes the Wasm binary format: numbers, names, vectors, sections.

Source: WebAssembly core specification 2.0, chapter 5, "Binary Format".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar, final

from juno_snap.errors import DecodeError
from juno_snap.wire.leb128 import decode_unsigned, encode_unsigned

Item = TypeVar("Item")

MAGIC: Final = b"\0asm"
HEADER_BYTES: Final = 8
"""Magic and version."""

CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START = range(9)
CODE: Final = 10
SECTION_ORDER: Final = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
"""Ids of the sections in the order a module has them; custom ones (0) may stand anywhere."""

VALUE_TYPES: Final = {
    0x7F: "i32",
    0x7E: "i64",
    0x7D: "f32",
    0x7C: "f64",
    0x7B: "v128",
    0x70: "funcref",
    0x6F: "externref",
}
VALUE_TYPE_CODES: Final = {name: code for code, name in VALUE_TYPES.items()}
FUNCTION_TYPE: Final = 0x60

_CONTINUES: Final = 0x80
_END: Final = 0x0B
_OPERAND_IS_LEB: Final = frozenset({0x41, 0x42, 0x23, 0xD2, 0xD0})
"""i32.const, i64.const, global.get, ref.func, ref.null."""
_OPERAND_BYTES: Final = {0x43: 4, 0x44: 8, 0xFD: 17}
"""f32.const, f64.const, and v128.const, whose sub-opcode is one byte."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section; ``payload`` is what stands behind its length."""

    id: int
    payload: bytes


@final
class Cursor:
    """A place in Wasm bytes. Everything that reads may raise ``DecodeError``."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.data)

    def byte(self) -> int:
        """The next byte."""
        if self.at_end:
            self.fail("unexpected end of section or function")
        self.position += 1
        return self.data[self.position - 1]

    def unsigned(self) -> int:
        """The next unsigned LEB128 number."""
        position = self.position
        if position < len(self.data) and self.data[position] < _CONTINUES:
            self.position += 1
            return self.data[position]
        value, self.position = decode_unsigned(self.data, position, max_bytes=10)
        return value

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.position + size
        if end > len(self.data):
            self.fail("unexpected end of section or function")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.data) - self.position)

    def name(self) -> str:
        """The next name: a length, then UTF-8."""
        raw = self.take(self.unsigned())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.fail("malformed UTF-8 encoding")

    def vector(self, read: Callable[[], Item]) -> Iterator[Item]:
        """A count, then that many items."""
        return (read() for _ in range(self.unsigned()))

    def value_type(self) -> str:
        """The next value type, such as ``i32``."""
        code = self.byte()
        if code not in VALUE_TYPES:
            self.fail(f"invalid value type 0x{code:02x}")
        return VALUE_TYPES[code]

    def skip_constant_expression(self) -> None:
        """Go behind the initial value of a global."""
        while (opcode := self.byte()) != _END:
            if opcode in _OPERAND_IS_LEB:
                while self.byte() & _CONTINUES:
                    pass
            elif opcode in _OPERAND_BYTES:
                self.take(_OPERAND_BYTES[opcode])
            else:
                self.fail(f"constant expression required: opcode 0x{opcode:02x}")

    def fail(self, reason: str) -> NoReturn:
        """Refuse the bytes.

        Raises:
            DecodeError: Always.
        """
        raise DecodeError(reason, offset=self.position)


def read_sections(wasm: bytes) -> list[Section]:
    """The sections of a module in their order.

    Raises:
        DecodeError: A section does not end within the module.
    """
    cursor = Cursor(wasm, HEADER_BYTES)
    sections = []
    while not cursor.at_end:
        section_id = cursor.byte()
        sections.append(Section(id=section_id, payload=cursor.take(cursor.unsigned())))
    return sections


def write_sections(header: bytes, sections: list[Section]) -> bytes:
    """A module of these sections."""
    parts = [header]
    for section in sections:
        parts += (bytes([section.id]), encode_unsigned(len(section.payload)), section.payload)
    return b"".join(parts)


def encode_name(name: str) -> bytes:
    """A name as it stands in a module."""
    raw = name.encode()
    return encode_unsigned(len(raw)) + raw
