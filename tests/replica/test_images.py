"""Heap images: what a message wrote is found, in both ways, and nothing else."""

import ctypes
import mmap
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.replica.images import (
    HeapImage,
    best_way,
    changed_by_comparison,
    changed_by_pagemap,
)

PAGE = 65536
WAYS = [
    pytest.param(changed_by_pagemap, id="pagemap"),
    pytest.param(changed_by_comparison, id="comparison"),
]


@contextmanager
def memory(size):
    """Writable memory at a fixed place, as an instance has it."""
    with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        yield area, ctypes.addressof(ctypes.c_char.from_buffer(area))


def filled(pages):
    image = HeapImage()
    image.write(0, b"".join(bytes([number % 255 + 1]) * PAGE for number in range(pages)))
    return image


def content(image):
    return image.read(0, image.size_bytes)


def test_this_machine_finds_changed_pages_without_comparing():
    assert best_way() is changed_by_pagemap


@pytest.mark.parametrize("find", WAYS)
def test_what_a_message_writes_stays_its_own_until_it_is_saved(find):
    image = filled(3)
    before = content(image)
    with memory(3 * PAGE) as (area, address):
        image.map_at(address)
        assert area[:] == before
        area[PAGE + 5 : PAGE + 10] = b"hello"
        assert content(image) == before
        image.save(address, 3 * PAGE, find=find)
        assert content(image) == area[:]
    assert content(image)[PAGE + 5 : PAGE + 10] == b"hello"


@pytest.mark.parametrize("find", WAYS)
def test_only_what_changed_is_written(find):
    image = filled(4)
    with memory(4 * PAGE) as (area, address):
        image.map_at(address)
        assert len(set(area[:])) == 4  # reads every page
        area[2 * PAGE] = 0xFF
        extents = image.changed(address, 4 * PAGE, find=find)
    assert [extent.offset for extent in extents] == [2 * PAGE]
    assert sum(extent.size for extent in extents) <= PAGE


@pytest.mark.parametrize("find", WAYS)
def test_memory_that_grew_is_saved_where_it_is_not_zero(find):
    image = filled(1)
    with memory(4 * PAGE) as (area, address):
        image.map_at(address)
        area[3 * PAGE + 7] = 1
        assert [extent.offset for extent in image.changed(address, 4 * PAGE, find=find)] == [
            3 * PAGE
        ]
        image.save(address, 4 * PAGE, find=find)
        assert content(image) == area[:]
    assert image.size_bytes == 4 * PAGE


def test_a_first_message_saves_what_was_there_before_it_ran():
    # The data segments of a fresh instance: pages that nobody wrote to through this mapping.
    image = HeapImage()
    segments = filled(2)
    with memory(3 * PAGE) as (area, address):
        segments.map_at(address)
        image.save(address, 3 * PAGE)
        assert content(image) == area[:]


@given(
    st.lists(
        st.tuples(st.integers(0, 5 * PAGE - 9), st.binary(min_size=1, max_size=9)), max_size=12
    ),
    st.sampled_from([changed_by_pagemap, changed_by_comparison]),
)
def test_any_writes_are_saved(writes, find):
    image = filled(3)
    with memory(5 * PAGE) as (area, address):
        image.map_at(address)
        for offset, data in writes:
            area[offset : offset + len(data)] = data
        image.save(address, 5 * PAGE, find=find)
        assert content(image) == area[:]
    image.close()


def test_a_copy_is_not_changed_by_its_original():
    image = filled(2)
    copy = image.copy()
    image.write(0, b"changed")
    assert content(copy) == b"\1" * PAGE + b"\2" * PAGE
    copy.write(PAGE, b"copy")
    assert image.read(PAGE, 4) == b"\2" * 4


def test_a_copy_of_a_sparse_image_is_sparse():
    image = HeapImage(1000 * PAGE)
    image.write(700 * PAGE, b"island")
    copy = image.copy()
    assert copy.size_bytes == 1000 * PAGE
    assert copy.read(700 * PAGE, 6) == b"island"
    assert sum(extent.size for extent in copy.extents()) <= PAGE


def test_an_image_never_shrinks_because_a_mapping_of_it_would_kill_the_process():
    image = filled(2)
    with memory(2 * PAGE) as (area, address):
        image.map_at(address)
        image.grow(PAGE)
        assert image.size_bytes == 2 * PAGE
        assert area[2 * PAGE - 1] == 2


def test_a_write_beyond_the_end_grows_the_image_by_whole_pages():
    image = HeapImage()
    image.write(PAGE + 1, b"x")
    assert image.size_bytes == 2 * PAGE
    assert content(image) == bytes(PAGE + 1) + b"x" + bytes(PAGE - 2)


def test_reading_ends_with_the_image():
    image = filled(1)
    assert image.read(PAGE - 2, 10) == b"\1\1"
    assert image.read(PAGE, 1) == b""


def test_an_image_that_cannot_be_mapped_says_so():
    with pytest.raises(OSError, match="cannot map a heap image"):
        filled(1).map_at(1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("copy"), st.integers(0, 9), st.just(b"")),
        st.tuples(st.just("close"), st.integers(0, 9), st.just(b"")),
        st.tuples(st.just("grow"), st.integers(0, 9), st.just(b"")),
        st.tuples(
            st.just("message"), st.integers(0, 4 * PAGE - 9), st.binary(min_size=1, max_size=9)
        ),
        st.tuples(
            st.just("write"), st.integers(0, 4 * PAGE - 9), st.binary(min_size=1, max_size=9)
        ),
    ),
    max_size=30,
)


def run_message(image, offset, data, find):
    size = image.size_bytes
    with memory(size) as (area, address):
        image.map_at(address)
        assert area[:] == content(image)
        area[offset : offset + len(data)] = data
        image.save(address, size, find=find)


@given(STEPS, st.integers(0, 9), st.sampled_from([changed_by_pagemap, changed_by_comparison]))
def test_copies_that_share_are_as_good_as_copies_that_do_not(steps, chosen, find):
    images = [filled(4)]
    models = [bytearray(content(images[0]))]
    for number, (what, place, data) in enumerate(steps):
        at = (chosen + number) % len(images)
        match what:
            case "copy":
                images.append(images[at].copy())
                models.append(bytearray(models[at]))
            case "close" if len(images) > 1:
                images.pop(at).close()
                models.pop(at)
            case "grow":
                images[at].grow(images[at].size_bytes + PAGE)
                models[at] += bytes(PAGE)
            case "write":
                images[at].write(place, data)
                models[at][place : place + len(data)] = data
            case "message":
                run_message(images[at], place, data, find)
                models[at][place : place + len(data)] = data
    for image, model in zip(images, models, strict=True):
        assert content(image) == bytes(model)
        seen = bytearray(image.size_bytes)
        for extent in image.extents():
            seen[extent.offset : extent.offset + extent.size] = image.read(*extent)
        assert seen == model


def test_a_copy_shares_what_is_equal():
    image = filled(100)
    copy = image.copy()
    image.write(50 * PAGE, b"x")
    assert image._base is copy._base is not None
    assert sum(extent.size for extent in image._own.extents()) == mmap.PAGESIZE
    assert list(copy._own.extents()) == []
    image.close()
    assert copy.read(50 * PAGE, 1) == bytes([51])


def test_an_image_in_many_pieces_stops_sharing():
    image = filled(600)
    copy = image.copy()
    for number in range(0, 600, 2):
        image.write(number * PAGE, b"y")
    before = content(image)
    with memory(600 * PAGE) as (area, address):
        image.map_at(address)
        assert area[:] == before
    assert image._base is None
    assert content(image) == before
    assert copy.read(0, 1) == b"\1"
