"""Storing only what changed gives the same as storing everything."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.replica.images import HeapImage
from juno_snap.replica.pieces import PIECE_BYTES
from juno_snap.replica.stable import StableMemory
from juno_snap.replica.storage_blobs import (
    BlobStore,
    get_heap,
    get_stable,
    put_bytes,
    put_heap,
    put_stable,
)

PAGE = 65536
END = 3 * PIECE_BYTES


class Heap:
    put, get = staticmethod(put_heap), staticmethod(get_heap)

    @staticmethod
    def new():
        return HeapImage(END)


class Stable:
    put, get = staticmethod(put_stable), staticmethod(get_stable)

    @staticmethod
    def new():
        return StableMemory(END // PAGE)


KINDS = pytest.mark.parametrize("kind", [Heap, Stable])


@pytest.fixture
def store(tmp_path):
    return BlobStore(tmp_path / "blobs")


def content(memory):
    return memory.read(0, memory.size_bytes)


def files(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


writes = st.tuples(
    st.just("write"),
    st.integers(0, 3),
    st.integers(0, END - 3 * PAGE),
    st.sampled_from([b"a", b"\0"]),
    st.sampled_from([0, 1, 2 * PAGE]),
)
others = st.tuples(st.sampled_from(["copy", "drop", "save"]), st.integers(0, 3))


@KINDS
@given(steps=st.lists(writes | others, max_size=25))
def test_any_order_of_writes_copies_and_checkpoints_comes_back_whole(kind, steps):
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(Path(folder))
        memories = [kind.new()]
        for action, which, *what in [*steps, ("save", 0)]:
            memory = memories[which % len(memories)]
            match action:
                case "write":
                    offset, byte, count = what
                    memory.write(offset, byte * count)
                case "copy":
                    memories.append(memory.copy())
                case "drop" if len(memories) > 1:
                    memories.remove(memory)
                case "save":
                    kept = [(each.size_bytes, kind.put(store, each)) for each in memories]
                    store.sync()
                    store.keep_only({digest for _, pieces in kept for _, digest in pieces})
                    again = BlobStore(Path(folder))
                    found = [content(kind.get(again, *each)) for each in kept]
                    assert found == [content(each) for each in memories]


@KINDS
def test_what_has_not_changed_is_not_even_read(kind, store):
    memory = kind.new()
    memory.write(0, b"first")
    memory.write(PIECE_BYTES, b"second")
    kind.put(store, memory)
    other = put_bytes(store, b"other bytes")[0][1]
    memory.known.keep(0, other)  # a lie, which only a look at the piece would find out
    memory.write(PIECE_BYTES, b"changed")
    (first, second) = kind.put(store, memory)
    assert first == (0, other)
    assert store.get(second[1])[:7] == b"changed"


@KINDS
def test_a_copy_knows_what_the_original_knew_and_goes_its_own_way(kind, store, tmp_path):
    memory = kind.new()
    memory.write(0, b"shared")
    before = kind.put(store, memory)
    twin = memory.copy()
    assert twin.known.find(0) == before[0][1]
    twin.write(0, b"twin's")
    assert kind.put(store, memory) == before
    assert kind.put(store, twin) != before


@KINDS
def test_what_was_read_from_disk_is_known(kind, store):
    memory = kind.new()
    memory.write(PIECE_BYTES, b"there")
    pieces = kind.put(store, memory)
    again = kind.get(store, memory.size_bytes, pieces)
    assert again.known.find(PIECE_BYTES) == pieces[0][1]


@KINDS
def test_another_folder_gets_everything(kind, tmp_path):
    memory = kind.new()
    memory.write(0, b"here and there")
    pieces = [kind.put(BlobStore(tmp_path / name), memory) for name in ("here", "there")]
    assert pieces[0] == pieces[1]
    assert files(tmp_path / "here").keys() == files(tmp_path / "there").keys()


def test_the_same_bytes_are_looked_at_once(store):
    data = bytes(range(256)) * 5000
    first = store.put_once(data)
    store.sync()
    assert store.put_once(data) is first
    store.sync()
    store.sync()
    assert store.put_once(data) == first


def test_a_blob_cut_short_by_the_end_of_a_process_is_removed(tmp_path):
    digest = BlobStore(tmp_path).put(b"whole")
    half = tmp_path / "ab" / f"ab{'0' * 62}.part"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"ha")
    store = BlobStore(tmp_path)
    store.keep_only({digest})
    assert files(tmp_path).keys() == {digest.hex()}
