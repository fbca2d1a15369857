"""A candidate Wasm module, read and checked before anything is touched.

The file is looked at as the network would get it: raw or gzip. A compressed one is unpacked piece
by piece and never held unpacked, so that checking a large module costs little memory.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from juno_snap.errors import InputError
from juno_snap.files import read_file
from juno_snap.pipeline.wasm_globals import SavedGlobal, saved_globals
from juno_snap.units import CHUNK_MAX_BYTES, KIB, MIB, WASM_PAGE_BYTES

WASM_MAX_BYTES: Final = 100 * MIB
"""Largest module, unpacked. Source: execution errors, IC0505 "Wasm module size"."""

GZIP_MAGIC: Final = b"\x1f\x8b\x08"
"""Source: interface specification, "Canister module format"."""

WASM_MAGIC: Final = b"\x00asm"
WASM_VERSION: Final = b"\x01\x00\x00\x00"
"""Source: WebAssembly core specification, "Modules", binary format."""

HEADER_BYTES: Final = len(WASM_MAGIC) + len(WASM_VERSION)

CUSTOM_SECTION: Final = 0
MEMORY_SECTION: Final = 5
GLOBAL_SECTION: Final = 6
EXPORT_SECTION: Final = 7
FUNCTION_EXPORT: Final = 0
GLOBAL_EXPORT: Final = 3
MEMORY64_FLAG: Final = 0x04
"""Bit of a memory's limits. Source: WebAssembly memory64 proposal, binary format."""

LEB128_U32_MAX_BYTES: Final = 5
LEB128_MORE: Final = 0x80

ENTRY_PREFIX: Final = "canister_"
"""What the name of an export begins with that the network calls.

Source: interface specification, "Entry points".
"""

ENTRY_NAME_MAX_BYTES: Final = 32 * KIB
"""Longer names are passed over: the network allows 20,000 bytes for all methods together.

Source: interface specification, "Canister module format".
"""

KEPT_SECTION_MAX_BYTES: Final = MIB
"""Of a longer custom section only the name is kept: the network takes no module whose custom
sections are longer together.

Source: interface specification, "Canister module format".
"""

PIECE_BYTES: Final = 64 * KIB

PERSISTENCE_SECTION: Final = "icp:private enhanced-orthogonal-persistence"
"""Motoko's mark of a heap that outlives an upgrade.

Source: interface specification, ``install_code``.
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WasmFile:
    """A whole, well-formed Wasm module; whether its code is valid only the network can say."""

    name: str
    """The file's name, for messages."""
    data: bytes = field(repr=False)
    """The bytes as they are uploaded, compressed or not."""
    sha256: bytes
    """Of ``data``: what the network will show as the module hash."""
    chunk_hashes: tuple[bytes, ...]
    """SHA-256 of each of ``chunks()``."""
    unpacked_bytes: int
    is_memory64: bool
    heap_min_bytes: int
    """What its heap begins with."""
    custom_sections: Mapping[str, bytes] = field(repr=False)
    """Content by full name, such as ``icp:public juno:package``; empty where it is long."""
    entry_points: frozenset[str] = field(repr=False)
    """Names of exported functions that the network calls, such as ``canister_query count``."""
    saved_globals: tuple[SavedGlobal, ...] | None = field(default=None, repr=False)
    """Those that a snapshot has, in its order; None: not understood."""

    @property
    def size_bytes(self) -> int:
        """Size as uploaded."""
        return len(self.data)

    @property
    def is_persistent(self) -> bool:
        """Whether it declares Motoko's enhanced orthogonal persistence."""
        return PERSISTENCE_SECTION in self.custom_sections

    def chunks(self) -> list[memoryview]:
        """The pieces that go into a chunk store, in order, without a copy."""
        return _pieces(self.data)


def read_wasm_file(path: Path) -> WasmFile:
    """The module in the file at ``path``.

    Raises:
        NotFoundError: The file cannot be read.
        InputError: It is no Wasm module; see ``check_wasm``.
    """
    return check_wasm(read_file(path), name=path.name)


def check_wasm(data: bytes, *, name: str) -> WasmFile:
    """The module in ``data``, raw or gzip, read to its last section.

    Raises:
        InputError: Empty, neither Wasm nor gzip, damaged, a component, or too big.
    """
    is_compressed = data.startswith(GZIP_MAGIC)
    source = _Source(_unpacked(data, name) if is_compressed else iter((data,)), name)
    header = source.read(HEADER_BYTES, "its header")
    if not header.startswith(WASM_MAGIC):
        what = "a gzip file that holds no Wasm module" if is_compressed else "no Wasm module"
        raise _refused(name, f"is {what}", code="not-wasm")
    if not header.endswith(WASM_VERSION):
        problem = "is not a core Wasm module of version 1; perhaps it is a component"
        raise _refused(name, problem, code="not-wasm")
    found = _read_sections(source)
    return WasmFile(
        name=name,
        data=data,
        sha256=hashlib.sha256(data).digest(),
        chunk_hashes=tuple(hashlib.sha256(chunk).digest() for chunk in _pieces(data)),
        unpacked_bytes=source.taken_bytes,
        is_memory64=found.is_memory64,
        heap_min_bytes=found.heap_min_bytes,
        custom_sections=found.custom,
        entry_points=frozenset(found.entry_points),
        saved_globals=saved_globals(found.globals, found.exported_globals),
    )


def _pieces(data: bytes) -> list[memoryview]:
    whole = memoryview(data)
    starts = range(0, len(whole), CHUNK_MAX_BYTES)
    return [whole[start : start + CHUNK_MAX_BYTES] for start in starts]


def _refused(name: str, problem: str, *, code: str) -> InputError:
    return InputError(
        f"{name} {problem}",
        value=name,
        code=code,
        hint="give the .wasm or .wasm.gz file that your build made; nothing was changed",
    )


def _unpacked(data: bytes, name: str) -> Iterator[bytes]:
    """The content of a gzip file in small pieces; zlib checks its length and CRC-32 (RFC 1952)."""
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    packed = memoryview(data)
    while not unpacker.eof:
        if not unpacker.unconsumed_tail:
            tail, packed = bytes(packed[:PIECE_BYTES]), packed[PIECE_BYTES:]
        else:
            tail = unpacker.unconsumed_tail
        try:
            fresh = unpacker.decompress(tail, PIECE_BYTES)
        except zlib.error as error:
            raise _refused(name, "is a damaged gzip file", code="gzip-damaged") from error
        if not fresh and not tail:
            raise _refused(name, "is a gzip file that was cut short", code="gzip-damaged")
        yield fresh
    if unpacker.unused_data or packed:
        raise _refused(name, "has something after its gzip data", code="gzip-damaged")


@final
class _Source:
    """Bytes of a module, taken from the front of a row of pieces."""

    def __init__(self, pieces: Iterator[bytes], name: str) -> None:
        self.name = name
        self.taken_bytes = 0
        self._pieces = pieces
        self._ready = memoryview(b"")

    def is_at_end(self) -> bool:
        """Whether nothing is left; what follows a gzip file's data is checked here."""
        while not self._ready:
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._ready = memoryview(piece)
        return False

    def skip(self, size: int, what: str) -> Iterator[memoryview]:
        """Pass over ``size`` bytes piece by piece; ``what`` names them where they are missing."""
        if self.taken_bytes + size > WASM_MAX_BYTES:
            problem = f"is larger than {WASM_MAX_BYTES} bytes unpacked"
            raise _refused(self.name, problem, code="wasm-too-large")
        while size > 0:
            if self.is_at_end():
                code = "wasm-damaged" if self.taken_bytes >= HEADER_BYTES else "not-wasm"
                raise _refused(self.name, f"ends within {what}", code=code)
            piece, self._ready = self._ready[:size], self._ready[size:]
            self.taken_bytes += len(piece)
            size -= len(piece)
            yield piece

    def read(self, size: int, what: str) -> bytes:
        """The next ``size`` bytes."""
        return b"".join(self.skip(size, what))

    def read_u32(self) -> int:
        """The next number, LEB128."""
        value = 0
        for place in range(LEB128_U32_MAX_BYTES):
            byte = self.read(1, "a section's length")[0]
            value |= (byte & ~LEB128_MORE) << (7 * place)
            if not byte & LEB128_MORE:
                return value
        raise _refused(self.name, "has a section with a malformed length", code="wasm-damaged")


@final
@dataclass(slots=True, kw_only=True)
class _Sections:
    """What is kept of a module's sections."""

    custom: dict[str, bytes] = field(default_factory=dict)
    is_memory64: bool = False
    heap_min_bytes: int = 0
    entry_points: set[str] = field(default_factory=set)
    globals: bytes = b""
    exported_globals: list[tuple[int, str]] = field(default_factory=list)


def _read_sections(source: _Source) -> _Sections:
    found = _Sections()
    while not source.is_at_end():
        section = source.read(1, "a section's number")[0]
        size = source.read_u32()
        if section == CUSTOM_SECTION:
            name, content = _read_custom_section(source, size)
            found.custom[name] = content
        elif section == MEMORY_SECTION:
            memories = source.read(size, "its memory section")
            found.is_memory64 = size > 1 and bool(memories[1] & MEMORY64_FLAG)
            found.heap_min_bytes = _first_minimum(memories) * WASM_PAGE_BYTES
        elif section == GLOBAL_SECTION and size <= KEPT_SECTION_MAX_BYTES:
            found.globals = source.read(size, "its global section")
        elif section == EXPORT_SECTION:
            _read_exports(source, size, found)
        else:
            for _piece in source.skip(size, f"section {section}"):
                pass
    return found


def _first_minimum(memories: bytes) -> int:
    """Pages that the first memory of a memory section has at least; a canister has one memory.

    Source: WebAssembly core specification, "Memory Section": a count, then for each memory its
    flags and its limits, of which the first is a number in LEB128.
    """
    value = 0
    for place, byte in enumerate(memories[2:]):
        value |= (byte & ~LEB128_MORE) << (7 * place)
        if not byte & LEB128_MORE:
            break
    return value


def _read_exports(source: _Source, size: int, found: _Sections) -> None:
    """Of the functions in an export section keep those that the network calls, and the globals.

    Source: WebAssembly core specification, "Export Section": name, kind and number of each.
    """
    end = source.taken_bytes + size
    for _ in range(source.read_u32()):
        length = source.read_u32()
        if source.taken_bytes + length > end:
            problem = "has an export section with a wrong length"
            raise _refused(source.name, problem, code="wasm-damaged")
        kept = b""
        for piece in source.skip(length, "the name of an export"):
            kept += piece if length <= ENTRY_NAME_MAX_BYTES else b""
        kind = source.read(1, "an export")[0]
        index = source.read_u32()
        name = kept.decode("utf-8", errors="replace")
        if kind == FUNCTION_EXPORT and name.startswith(ENTRY_PREFIX):
            found.entry_points.add(name)
        elif kind == GLOBAL_EXPORT:
            found.exported_globals.append((index, name))
    if source.taken_bytes != end:
        problem = "has an export section with a wrong length"
        raise _refused(source.name, problem, code="wasm-damaged")


def _read_custom_section(source: _Source, size: int) -> tuple[str, bytes]:
    end = source.taken_bytes + size
    length = source.read_u32()
    content_bytes = end - source.taken_bytes - length
    if content_bytes < 0:
        raise _refused(source.name, "has a custom section with a wrong length", code="wasm-damaged")
    name = source.read(length, "a custom section's name").decode("utf-8", errors="replace")
    content = bytearray()
    for piece in source.skip(content_bytes, f"its section {name}"):
        if content_bytes <= KEPT_SECTION_MAX_BYTES:
            content += piece
    return name, bytes(content)
