import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import InputError, NotFoundError
from juno_snap.pipeline.wasm_file import WASM_MAX_BYTES, check_wasm, read_wasm_file
from juno_snap.units import CHUNK_MAX_BYTES
from tests.unit.pipeline.values import HEADER, MARK, custom, leb128, section, wasm_bytes


def refusal_of(data):
    with pytest.raises(InputError) as caught:
        check_wasm(data, name="x.wasm")
    return caught.value


def test_reads_a_module_and_its_custom_sections():
    wasm = check_wasm(HEADER + custom(b"icp:public juno:package", b"{}"), name="x.wasm")
    assert wasm.custom_sections == {"icp:public juno:package": b"{}"}
    assert wasm.sha256 == hashlib.sha256(wasm.data).digest()
    assert not wasm.is_persistent
    assert not wasm.is_memory64


def test_sees_motokos_mark_of_a_persistent_heap():
    assert check_wasm(HEADER + custom(MARK), name="x.wasm").is_persistent


@pytest.mark.parametrize(("flags", "is_memory64"), [(0x00, False), (0x01, False), (0x04, True)])
def test_sees_a_memory_with_64_bit_addresses(flags, is_memory64):
    memory = section(5, bytes([1, flags, 1]))
    assert check_wasm(HEADER + memory, name="x.wasm").is_memory64 is is_memory64


@pytest.mark.parametrize(
    ("limits", "pages"),
    [
        pytest.param(b"\x00\x01", 1, id="a page"),
        pytest.param(b"\x01\x80\x01\x80\x02", 128, id="a maximum too"),
        pytest.param(b"\x04\xe5\x8e\x26", 624485, id="64-bit addresses"),
    ],
)
def test_sees_what_the_heap_begins_with(limits, pages):
    wasm = check_wasm(HEADER + section(5, b"\x01" + limits), name="x.wasm")
    assert wasm.heap_min_bytes == pages * 65_536
    assert check_wasm(HEADER, name="x.wasm").heap_min_bytes == 0


def test_a_compressed_module_is_hashed_as_it_is_uploaded_and_read_unpacked():
    raw = wasm_bytes(persistent=True, size_bytes=500_000)
    packed = gzip.compress(raw, mtime=0)
    wasm = check_wasm(packed, name="x.wasm.gz")
    assert wasm.sha256 == hashlib.sha256(packed).digest()
    assert wasm.unpacked_bytes == len(raw)
    assert wasm.is_persistent


def test_a_long_custom_section_is_known_by_name_only():
    wasm = check_wasm(HEADER + custom(b"debug", bytes(1_100_000)), name="x.wasm")
    assert wasm.custom_sections == {"debug": b""}


def test_the_chunks_are_the_module():
    wasm = check_wasm(wasm_bytes(size_bytes=2 * CHUNK_MAX_BYTES), name="x.wasm")
    chunks = [bytes(chunk) for chunk in wasm.chunks()]
    assert b"".join(chunks) == wasm.data
    assert max(map(len, chunks)) == CHUNK_MAX_BYTES
    assert wasm.chunk_hashes == tuple(hashlib.sha256(chunk).digest() for chunk in chunks)


WHOLE_GZIP = gzip.compress(wasm_bytes(size_bytes=200_000), mtime=0)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        pytest.param(b"", "not-wasm", "ends within its header", id="empty"),
        pytest.param(b"hello, world", "not-wasm", "no Wasm module", id="text"),
        pytest.param(b"\x00asm", "not-wasm", "ends within its header", id="half a header"),
        pytest.param(b"\x00asm\x0d\x00\x01\x00", "not-wasm", "component", id="component"),
        pytest.param(gzip.compress(b"hello, world"), "not-wasm", "gzip", id="gzip of text"),
        pytest.param(WHOLE_GZIP[:-9], "gzip-damaged", "cut short", id="gzip cut short"),
        pytest.param(
            WHOLE_GZIP[:-8] + bytes(4) + WHOLE_GZIP[-4:], "gzip-damaged", "damaged", id="checksum"
        ),
        pytest.param(
            WHOLE_GZIP[:500] + bytes(64) + WHOLE_GZIP[564:], "gzip-damaged", "damaged", id="middle"
        ),
        pytest.param(WHOLE_GZIP + b"x", "gzip-damaged", "after its gzip data", id="more after it"),
        pytest.param(HEADER + b"\x01", "wasm-damaged", "length", id="no length"),
        pytest.param(HEADER + b"\x01\x05abc", "wasm-damaged", "section 1", id="section cut short"),
        pytest.param(
            HEADER + b"\x01\x80\x80\x80\x80\x80\x00", "wasm-damaged", "malformed", id="long length"
        ),
        pytest.param(
            HEADER + section(0, leb128(9) + b"a"), "wasm-damaged", "wrong length", id="long name"
        ),
        pytest.param(
            HEADER + b"\x01" + leb128(WASM_MAX_BYTES), "wasm-too-large", "larger", id="too large"
        ),
    ],
)  # fmt: skip
def test_refuses_what_is_no_whole_module(data, code, words):
    error = refusal_of(data)
    assert error.code == code
    assert words in error.message
    assert error.hint


def test_a_gzip_that_unpacks_without_end_is_given_up_at_the_networks_limit():
    bomb = gzip.compress(HEADER + b"\x01" + leb128(2 * WASM_MAX_BYTES) + bytes(10_000_000))
    assert refusal_of(bomb).code == "wasm-too-large"


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        read_wasm_file(tmp_path / "absent.wasm")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_module_or_a_clear_refusal(data):
    for candidate in (data, HEADER + data, b"\x1f\x8b\x08" + data):
        try:
            wasm = check_wasm(candidate, name="x.wasm")
        except InputError as error:
            outcome = error.code
        else:
            outcome = wasm.unpacked_bytes
        known = {"not-wasm", "wasm-damaged", "gzip-damaged", "wasm-too-large", len(candidate)}
        assert outcome in known
