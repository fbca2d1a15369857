"""Data through upgrades, traps and snapshots, for each kind of module, over HTTP.

Persistent Motoko keeps its heap (memory64), classical Motoko carries it through stable memory, and
Rust keeps what is in stable memory and loses its heap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from juno_snap.errors import RejectedError
from tests.azle import rust_module
from tests.interop.store import NO_ARGUMENTS, Store
from tests.motoko import motoko_module

pytestmark = [pytest.mark.interop, pytest.mark.anyio]


@dataclass(frozen=True)
class Kind:
    """How one kind of module is made and upgraded."""

    module: Callable[[str], bytes]
    options: dict
    trap: str
    """What the text of a trap has in it."""


def classical(name):
    return motoko_module(name, classical=True)


KINDS = [
    pytest.param(
        Kind(motoko_module, {"wasm_memory_persistence": "keep"}, "assertion failed"),
        id="persistent Motoko",
    ),
    pytest.param(Kind(classical, {}, "assertion failed"), id="classical Motoko"),
    pytest.param(Kind(rust_module, {}, "on purpose"), id="Rust"),
]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
async def store(client, kind):
    return await Store.new(client, kind.module("store_v1"))


async def test_data_upgrade_data_restore_data(store, kind):
    await store.write("a", "of version 1")
    taken = await store.take()

    await store.upgrade(kind.module("store_v2"), **kind.options)
    assert (await store.version(), await store.read("a")) == ("2", "of version 1")
    await store.write("a", "of version 2")
    await store.write("b", "of version 2")
    assert await store.writes() == 2

    await store.load(taken.id)
    assert (await store.version(), await store.read("a")) == ("1", "of version 1")
    assert await store.read("b") is None
    await store.write("c", "after the restore")
    assert await store.read("c") == "after the restore"

    await store.upgrade(kind.module("store_v2"), **kind.options)
    read = [await store.read(key) for key in "abc"]
    assert read == ["of version 1", None, "after the restore"]


async def test_a_trap_in_an_update_changes_nothing(store, kind):
    await store.write("a", "kept")
    with pytest.raises(RejectedError, match=kind.trap) as refused:
        await store.write_and_trap("a", "lost")
    assert (refused.value.error_code, refused.value.certified) == ("IC0503", True)
    assert await store.read("a") == "kept"


@pytest.mark.parametrize(
    "wasm_module",
    [
        pytest.param(lambda: motoko_module("endless"), id="persistent Motoko"),
        pytest.param(lambda: classical("endless"), id="classical Motoko"),
        pytest.param(lambda: rust_module("store_v1"), id="Rust"),
    ],
)
async def test_an_endless_query_ends_at_the_instruction_limit(client, wasm_module):
    store = await Store.new(client, wasm_module())
    before = await store.version()
    with pytest.raises(RejectedError, match="limit of 5000000000 instructions") as refused:
        await client.agent.query(store.id, "query_forever", NO_ARGUMENTS)
    assert refused.value.error_code == "IC0522"
    assert await store.version() == before


async def test_an_endless_update_ends_at_the_instruction_limit_and_changes_nothing(client):
    store = await Store.new(client, classical("endless"))
    with pytest.raises(RejectedError, match="limit of 40000000000 instructions") as refused:
        await client.agent.call(store.id, "update_forever", NO_ARGUMENTS)
    assert (refused.value.error_code, refused.value.certified) == ("IC0522", True)
    assert await store.version() == "0"


async def test_a_restore_brings_back_a_heap_that_no_upgrade_keeps(client):
    store = await Store.new(client, rust_module("store_v1"))
    await store.write("a", "1")
    await store.write("b", "2")
    taken = await store.take()
    await store.upgrade(rust_module("store_v2"))
    assert (await store.writes(), await store.read("b")) == (0, "2")
    await store.load(taken.id)
    assert (await store.writes(), await store.read("b")) == (2, "2")


async def refused_upgrade(store, module, text, **options):
    """The upgrade traps with this text; version and data are as before, and it runs."""
    before = await store.version(), await store.read("a")
    with pytest.raises(RejectedError, match=text) as refused:
        await store.upgrade(module, **options)
    assert (refused.value.error_code, refused.value.certified) == ("IC0503", True)
    assert (await store.version(), await store.read("a")) == before
    assert await store.read("lost") is None
    await store.write("b", "goes on")
    assert await store.read("b") == "goes on"


async def test_a_trap_in_a_hook_of_rust_leaves_code_and_data(client):
    store = await Store.new(client, rust_module("store_v1"))
    await store.write("a", "kept")
    await store.write("trap", "in pre_upgrade")
    await refused_upgrade(store, rust_module("store_v2"), "no upgrade from here")
    await store.write("trap", "in post_upgrade")
    await refused_upgrade(store, rust_module("store_v2"), "no upgrade to here")
    await store.write("trap", "no more")
    await store.upgrade(rust_module("store_v2"))
    assert (await store.version(), await store.read("a")) == ("2", "kept")


@pytest.mark.parametrize(
    ("old", "new"),
    [("store_trap_in_preupgrade", "store_v2"), ("store_v1", "store_trap_in_postupgrade")],
)
async def test_a_trap_in_a_hook_of_classical_motoko_leaves_code_and_data(client, old, new):
    store = await Store.new(client, classical(old))
    await store.write("a", "kept")
    await refused_upgrade(store, classical(new), "assertion failed")


async def test_classical_motoko_can_skip_a_pre_upgrade_that_traps_and_loses_its_data(client):
    store = await Store.new(client, classical("store_trap_in_preupgrade"))
    await store.write("a", "only in the heap")
    taken = await store.take()
    await store.upgrade(classical("store_v2"), skip_pre_upgrade=True)
    assert (await store.version(), await store.read("a")) == ("2", None)
    await store.load(taken.id)
    assert await store.read("a") == "only in the heap"
