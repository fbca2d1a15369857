"""Real Motoko modules on the engine: data through upgrades, traps, snapshots."""

import hashlib

import pytest

from juno_snap.replica.reject import Reject
from juno_snap.wire.candid import NAT, TEXT, Opt, decode, encode
from tests.motoko import motoko_module
from tests.replica.engine import Bench, reason, spelled

pytestmark = pytest.mark.interop


def new_bench(name, **options):
    bench = Bench()
    bench.limits = type(bench.limits)()
    bench.install(motoko_module(name, **options), encode([], []))
    return bench


def write(bench, key, value):
    outcome = bench.update("set_document", encode([TEXT, TEXT], [key, value]))
    assert outcome.reject is None, outcome.reject.message


def read(bench, key):
    return decode(bench.reply("document", encode([TEXT], [key])), [Opt(TEXT)])[0]


def version(bench):
    return decode(bench.reply("version", encode([], [])), [TEXT])[0]


def upgrade(bench, name, **options):
    bench.upgrade(motoko_module(name), encode([], []), **{"memory_persistence": "keep", **options})


def test_a_motoko_module_says_that_its_heap_persists():
    shape = new_bench("store_v1").code.module.shape
    assert shape.has_eop
    assert shape.memory64
    assert not shape.metadata["enhanced-orthogonal-persistence"].is_public
    assert shape.metadata["candid:service"].is_public


def test_data_survives_an_upgrade_that_keeps_the_heap():
    bench = new_bench("store_v1")
    write(bench, "a", "from version 1")
    upgrade(bench, "store_v2")
    assert version(bench) == "2"
    assert read(bench, "a") == "from version 1"
    write(bench, "b", "from version 2")
    assert decode(bench.reply("count_writes", encode([], [])), [NAT]) == [1]
    upgrade(bench, "store_v2")
    assert (read(bench, "a"), read(bench, "b")) == ("from version 1", "from version 2")


def test_an_upgrade_without_the_option_is_refused_and_replace_loses_the_heap():
    bench = new_bench("store_v1")
    write(bench, "a", "1")
    with pytest.raises(Reject) as refused:
        upgrade(bench, "store_v2", memory_persistence=None)
    assert refused.value.error_code == "IC0504"
    assert read(bench, "a") == "1"
    upgrade(bench, "store_v2", memory_persistence="replace")
    assert read(bench, "a") is None


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("store_v1", "store_incompatible", "Memory-incompatible program upgrade"),
        ("store_trap_in_preupgrade", "store_v2", "assertion failed"),
        ("store_v1", "store_trap_in_postupgrade", "assertion failed"),
        ("store_v2", "store_v1", "Memory-incompatible program upgrade"),
    ],
)
def test_an_upgrade_that_traps_leaves_code_and_data(old, new, text):
    bench = new_bench(old)
    write(bench, "a", "still here")
    before = version(bench)
    with pytest.raises(Reject) as refused:
        upgrade(bench, new)
    code, message = spelled(refused.value)
    assert code == "IC0503"
    assert text in message
    assert version(bench) == before
    assert read(bench, "a") == "still here"
    assert read(bench, "lost") is None
    write(bench, "b", "goes on")
    assert read(bench, "b") == "goes on"


def test_a_trap_in_an_update_leaves_the_data():
    bench = new_bench("store_v1")
    arg = encode([TEXT, TEXT], ["a", "lost"])
    code, text = reason(bench.update("set_document_and_trap", arg))
    assert code == "IC0503"
    assert "assertion failed" in text
    assert read(bench, "a") is None


def test_a_snapshot_brings_code_and_data_back():
    bench = new_bench("store_v1")
    write(bench, "a", "1")
    snapshot = bench.code.snapshot_copy()
    upgrade(bench, "store_v2")
    write(bench, "a", "2")
    bench.code = snapshot.snapshot_copy()
    assert (version(bench), read(bench, "a")) == ("1", "1")
    upgrade(bench, "store_v2")
    assert (version(bench), read(bench, "a")) == ("2", "1")


def test_classical_persistence_goes_through_stable_memory():
    bench = new_bench("store_v1", classical=True)
    assert not bench.code.module.shape.has_eop
    assert not bench.code.module.shape.memory64
    write(bench, "a", "classical")
    new = motoko_module("store_v2", classical=True)
    bench.upgrade(new, encode([], []))
    assert (version(bench), read(bench, "a")) == ("2", "classical")
    with pytest.raises(Reject):  # nothing was written for the new code to read
        bench.upgrade(new, encode([], []), skip_pre_upgrade=True)
    assert (version(bench), read(bench, "a")) == ("2", "classical")


def test_300_random_steps_agree_with_a_model():
    bench = new_bench("store_v1")
    number, documents = "1", {}
    snapshots = []
    for step, choice in enumerate(hashlib.shake_128(b"motoko").digest(300)):
        key, value = f"key {choice % 7}", f"value {step}"
        match choice % 16:
            case 0 | 1:
                snapshots.append((bench.code.snapshot_copy(), number, dict(documents)))
            case 2 | 3 if snapshots:
                kept, number, documents = snapshots[choice % len(snapshots)]
                bench.code, documents = kept.snapshot_copy(), dict(documents)
            case 4:
                upgrade(bench, "store_v2")
                number = "2"
            case 5 | 6:
                with pytest.raises(Reject):
                    upgrade(bench, ("store_incompatible", "store_trap_in_postupgrade")[choice % 2])
            case 7 | 8:
                arg = encode([TEXT, TEXT], [key, value])
                assert bench.update("set_document_and_trap", arg).reject is not None
            case _:
                write(bench, key, value)
                documents[key] = value
        assert version(bench) == number
        assert {k: read(bench, k) for k in documents} == documents
        assert read(bench, "never written") is None
