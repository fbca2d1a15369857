"""The face of every Candid type, their table in a message, and the primitive types.

From ic-py come the class hierarchy, names, opcodes, the encoding of types, and of null, bool, nat,
int and text. Its checks (``covariant``), its fixed-width numbers and floats (the machine's byte
order), ``reserved`` (cannot be written at all), principals (objects of its own) and all of its
decoding (a copy of the rest of the message for each byte) are replaced. Its type table knows types
by a text that two different types may share, and loses entries around recursion; ours knows them by
identity and merges equal definitions.
"""

import struct
from abc import abstractmethod
from typing import ClassVar, Final, TypeGuard, final

import ic.candid as ic
from typing_extensions import override

from juno_snap.errors import InputError
from juno_snap.ids import Principal
from juno_snap.wire.candid.cursor import NUMBER_MAX_BITS, Cursor, Writer
from juno_snap.wire.candid.values import MisfitError

_BITS_PER_BYTE: Final = 8
_SHOWN_MAX: Final = 40

TYPE_DEPTH_MAX: Final = 200
"""Types nested deeper are not written."""


class CandidType(ic.Type):
    """A Candid type; compared by identity."""

    word: ClassVar[str] = ""

    @property
    def kind(self) -> str:
        """How the type is called in an error: ``nat8``, ``record``."""
        return self.word or str(self.name)

    @property
    def accepts_null(self) -> bool:
        """Whether null is a value of it, so that a field of this type may be missing."""
        return False

    @abstractmethod
    def write(self, value: object, out: Writer) -> None:
        """Append the bytes of ``value``.

        Raises:
            MisfitError: It is no value of this type.
        """

    @abstractmethod
    def read(self, cursor: Cursor) -> object:
        """The value of exactly this type at the cursor.

        Raises:
            DecodeError: Not such a value, or one that asks for too much.
        """

    def resolved(self) -> "CandidType":
        """The type itself; what stands behind a named one."""
        return self


@final
class TypeTable(ic.TypeTable):
    """The definitions of the composite types of one message."""

    def __init__(self) -> None:
        super().__init__()
        self._typs: list[bytes] = []
        self._idx: dict[CandidType, int] = {}
        self._known: dict[bytes, int] = {}
        self._depth = 0

    @override
    def has(self, obj: CandidType) -> bool:
        return obj in self._idx

    @override
    def add(self, obj: CandidType, buf: bytes) -> None:
        definition = bytes(buf)
        index = self._idx.get(obj)
        if index is None:
            index = self._known.setdefault(definition, len(self._typs))
            self._idx[obj] = index
        if index == len(self._typs):
            self._typs.append(definition)
        elif not self._typs[index]:
            self._typs[index] = definition
            self._known.setdefault(definition, index)

    def reserve(self, obj: CandidType) -> None:
        """Give ``obj`` a place before its parts, because they lead back to it."""
        self._idx[obj] = len(self._typs)
        self._typs.append(b"")

    def index(self, obj: CandidType) -> int:
        """The place of a type that has one."""
        return self._idx[obj]

    def enter(self) -> None:
        """Go one level deeper into a type."""
        self._depth += 1
        if self._depth > TYPE_DEPTH_MAX:
            raise InputError(f"a Candid type nested more than {TYPE_DEPTH_MAX} deep")

    def leave(self) -> None:
        """Come back from ``enter``."""
        self._depth -= 1


def misfit(expected: CandidType, value: object) -> MisfitError:
    """The error for a value that is none of ``expected``."""
    shown = repr(value) if isinstance(value, int | float | str) else ""
    found = f"{type(value).__name__} {shown}".rstrip()
    if len(found) > _SHOWN_MAX:
        found = f"{found[:_SHOWN_MAX]}..."
    return MisfitError(f"expected {expected.kind}, found {found}")


class Primitive(CandidType):
    """A type without parts, written as ic-py writes it once the value has been checked."""

    @abstractmethod
    def is_value(self, value: object) -> bool:
        """Whether ``value`` is one of this type."""

    @override
    def write(self, value: object, out: Writer) -> None:
        if not self.is_value(value):
            raise misfit(self, value)
        out.put(self.encodeValue(value))


class Null(Primitive, ic.NullClass):
    """``null``: None."""

    @property
    @override
    def accepts_null(self) -> bool:
        return True

    @override
    def is_value(self, value: object) -> bool:
        return value is None

    @override
    def read(self, cursor: Cursor) -> None:
        cursor.spend()


class Reserved(Primitive, ic.ReservedClass):
    """``reserved``: anything on the way out, None on the way in."""

    @property
    @override
    def accepts_null(self) -> bool:
        return True

    @override
    def is_value(self, value: object) -> bool:
        return True

    @override
    def encodeValue(self, val: object) -> bytes:
        return b""

    @override
    def read(self, cursor: Cursor) -> None:
        cursor.spend()


class Empty(Primitive, ic.EmptyClass):
    """``empty``: has no values."""

    @override
    def is_value(self, value: object) -> bool:
        return False

    @override
    def read(self, cursor: Cursor) -> object:
        raise cursor.fault("a value of type empty")


class Bool(Primitive, ic.BoolClass):
    """``bool``."""

    @override
    def is_value(self, value: object) -> bool:
        return isinstance(value, bool)

    @override
    def read(self, cursor: Cursor) -> bool:
        byte = cursor.byte()
        if byte > 1:
            raise cursor.fault(f"{byte} is no bool")
        return byte == 1


class Nat(Primitive, ic.NatClass):
    """``nat``: an int from 0 up to 4,096 bits."""

    @override
    def is_value(self, value: object) -> bool:
        return is_whole(value) and value >= 0 and value.bit_length() <= NUMBER_MAX_BITS

    @override
    def read(self, cursor: Cursor) -> int:
        return cursor.unsigned()


class Int(Primitive, ic.IntClass):
    """``int``: an int of up to 4,096 bits."""

    @override
    def is_value(self, value: object) -> bool:
        return is_whole(value) and value.bit_length() < NUMBER_MAX_BITS

    @override
    def read(self, cursor: Cursor) -> int:
        return cursor.signed()


class Fixed(Primitive):
    """A whole number of a fixed width, least significant byte first."""

    def __init__(self, bits: int, *, is_signed: bool) -> None:
        super().__init__(bits)
        self.size: Final = bits // _BITS_PER_BYTE
        self.is_signed: Final = is_signed
        self.least: Final = -(1 << bits - 1) if is_signed else 0
        self.greatest: Final = self.least + (1 << bits) - 1

    @override
    def is_value(self, value: object) -> bool:
        return is_whole(value) and self.least <= value <= self.greatest

    @override
    def encodeValue(self, val: int) -> bytes:
        return val.to_bytes(self.size, "little", signed=self.is_signed)

    @override
    def read(self, cursor: Cursor) -> int:
        return int.from_bytes(cursor.take(self.size), "little", signed=self.is_signed)


class FixedNat(Fixed, ic.FixedNatClass):
    """``nat8`` to ``nat64``."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits, is_signed=False)


class FixedInt(Fixed, ic.FixedIntClass):
    """``int8`` to ``int64``."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits, is_signed=True)


class Float(Primitive, ic.FloatClass):
    """``float32`` and ``float64``; an int is taken for a float where it is one."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.layout: Final = struct.Struct("<f" if bits == struct.calcsize("<f") * 8 else "<d")

    @override
    def is_value(self, value: object) -> bool:
        if not isinstance(value, float) and not is_whole(value):
            return False
        try:
            self.layout.pack(value)
        except OverflowError:
            return False
        return True

    @override
    def encodeValue(self, val: float) -> bytes:
        return self.layout.pack(val)

    @override
    def read(self, cursor: Cursor) -> float:
        return float(self.layout.unpack(cursor.take(self.layout.size))[0])


class Text(Primitive, ic.TextClass):
    """``text``: a str without lone surrogates."""

    @override
    def is_value(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True

    @override
    def read(self, cursor: Cursor) -> str:
        return cursor.text()


class PrincipalType(Primitive, ic.PrincipalClass):
    """``principal``: a ``juno_snap.ids.Principal``; ic-py's own never leaves this package."""

    @override
    def is_value(self, value: object) -> bool:
        return isinstance(value, Principal)

    @override
    def encodeValue(self, val: Principal) -> bytes:
        return bytes(super().encodeValue(val.raw))

    @override
    def read(self, cursor: Cursor) -> Principal:
        if cursor.byte() != 1:
            raise cursor.fault("an opaque reference instead of a principal")
        raw = cursor.take(cursor.length())
        try:
            return Principal(raw)
        except InputError as error:
            raise cursor.fault(error.message) from error


class Future(Primitive, ic.ReservedClass):
    """A type that a later version of Candid may bring: can be skipped, never written."""

    @override
    def is_value(self, value: object) -> bool:
        return False

    @override
    def read(self, cursor: Cursor) -> None:
        size, references = cursor.length(), cursor.length()
        if references:
            raise cursor.fault("references beside the message")
        cursor.take(size)

    @property
    @override
    def name(self) -> str:
        return "future"

    @property
    @override
    def id(self) -> int:
        return FUTURE_OPCODE


def is_whole(value: object) -> TypeGuard[int]:
    """Whether ``value`` is an int and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


OPCODES: Final[dict[str, int]] = {member.name: member.value for member in ic.TypeIds}

FUTURE_OPCODE: Final = -25
"""First opcode that no type has yet.

Source: Candid specification, "Deserialisation of future types".
"""

NULL: Final = Null()
BOOL: Final = Bool()
NAT: Final = Nat()
INT: Final = Int()
NAT8: Final = FixedNat(8)
NAT16: Final = FixedNat(16)
NAT32: Final = FixedNat(32)
NAT64: Final = FixedNat(64)
INT8: Final = FixedInt(8)
INT16: Final = FixedInt(16)
INT32: Final = FixedInt(32)
INT64: Final = FixedInt(64)
FLOAT32: Final = Float(32)
FLOAT64: Final = Float(64)
TEXT: Final = Text()
RESERVED: Final = Reserved()
EMPTY: Final = Empty()
PRINCIPAL: Final = PrincipalType()

PRIMITIVES: Final[tuple[Primitive, ...]] = (
    NULL, BOOL, NAT, INT, NAT8, NAT16, NAT32, NAT64, INT8, INT16, INT32, INT64,
    FLOAT32, FLOAT64, TEXT, RESERVED, EMPTY, PRINCIPAL,
)  # fmt: skip
