"""Install and upgrade: the order of the hooks, what is carried over, and that failures undo all."""

import gzip

import pytest

from juno_snap.replica.execution.code import GlobalValue
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import wasm_from_text
from tests.replica.engine import Bench, spelled, wat

EOP = '(module (memory i64 1) (@custom "icp:private enhanced-orthogonal-persistence" ""))'


def hooks(bench):
    """How often start, init, pre_upgrade and post_upgrade ran."""
    return tuple(bench.reply("show")[:4])


def test_install_runs_start_then_init():
    bench = Bench(wat("hooks"))
    assert hooks(bench) == (1, 1, 0, 0)
    assert bench.code.certified_data == b"init"
    assert bench.code.global_timer_ns == 111


def test_upgrade_runs_pre_upgrade_start_and_post_upgrade():
    bench = Bench(wat("hooks"))
    bench.upgrade(wat("hooks"), b"hello")
    assert hooks(bench) == (2, 1, 1, 1)


def test_the_old_code_sees_the_old_version_and_the_new_code_the_new_one():
    bench = Bench(wat("hooks"), canister_version=7)
    bench.upgrade(wat("hooks"), b"hello")
    shown = bench.reply("show")
    assert int.from_bytes(shown[8:16], "little") == 7
    assert int.from_bytes(shown[16:24], "little") == 8
    assert int.from_bytes(shown[24:28], "little") == len(b"hello")


def test_upgrade_keeps_certified_data_and_turns_the_timer_off():
    bench = Bench(wat("hooks"))
    bench.upgrade(wat("state"), skip_pre_upgrade=True)
    assert bench.code.certified_data == b"init"
    assert bench.code.global_timer_ns == 0


def test_pre_upgrade_may_set_certified_data_and_its_timer_is_lost():
    bench = Bench(wat("hooks"))
    bench.upgrade(wat("state"))
    assert bench.code.certified_data == b"pre"
    assert bench.code.global_timer_ns == 0


def test_upgrade_can_skip_pre_upgrade():
    bench = Bench(wat("hooks"))
    bench.upgrade(wat("hooks"), skip_pre_upgrade=True)
    assert hooks(bench) == (2, 1, 0, 1)


def test_upgrade_drops_the_heap_and_the_globals_and_keeps_stable_memory():
    bench = Bench(wat("state"))
    bench.update("put", (9).to_bytes(8, "little"))
    bench.upgrade(wat("state"))
    shown = bench.reply("show")
    assert shown[:16] == bytes(8) + (10).to_bytes(8, "little")
    assert shown[28:] == (9).to_bytes(8, "little")


@pytest.mark.parametrize("name", ["trap_in_init", "trap_in_start"])
def test_a_trap_during_install_is_a_reject(name):
    with pytest.raises(Reject) as refused:
        Bench(wat(name))
    assert refused.value.error_code in {"IC0502", "IC0503"}


def test_a_failed_install_says_what_the_code_printed():
    with pytest.raises(Reject) as refused:
        Bench(wat("trap_in_init"))
    assert refused.value.logs == (
        b"about to",
        b"[TRAP]: Canister called `ic0.trap` with message: 'fail'",
    )


def test_an_endless_init_ends_at_the_limit_of_an_install():
    endless = wasm_from_text('(module (func (export "canister_init") (loop $l (br $l))))')
    with pytest.raises(Reject) as refused:
        Bench(endless)
    assert spelled(refused.value) == (
        "IC0522",
        "Canister exceeded the limit of 500000000 instructions for single message execution.",
    )


def test_all_stages_of_an_upgrade_share_one_limit():
    half = """(module (memory 1)
      (func $burn (local i32)
        (loop $again
          (local.set 0 (i32.add (local.get 0) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get 0) (i32.const 40000000)))))
      (func (export "canister_pre_upgrade") (call $burn))
      (func (export "canister_post_upgrade") (call $burn)))"""
    bench = Bench(wasm_from_text(half))
    with pytest.raises(Reject) as refused:
        bench.upgrade(wasm_from_text(half))
    assert refused.value.error_code == "IC0522"
    bench.upgrade(wasm_from_text(half), skip_pre_upgrade=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("trap_in_pre_upgrade", "hooks", id="pre_upgrade"),
        pytest.param("hooks", "trap_in_post_upgrade", id="post_upgrade"),
        pytest.param("hooks", "trap_in_start", id="start"),
    ],
)
def test_a_trap_during_upgrade_leaves_code_and_data(old, new):
    bench = Bench(wat(old))
    code = bench.code
    before = (code.wasm, code.globals, code.stable.size_pages, code.certified_data)
    heap = code.heap.read(0, code.heap.size_bytes)
    with pytest.raises(Reject) as refused:
        bench.upgrade(wat(new))
    assert spelled(refused.value) == ("IC0502", "Canister trapped: unreachable")
    assert bench.code is code
    assert (code.wasm, code.globals, code.stable.size_pages, code.certified_data) == before
    assert code.heap.read(0, code.heap.size_bytes) == heap


def test_a_gzipped_module_installs_and_is_kept_as_uploaded():
    packed = gzip.compress(wat("state"))
    bench = Bench(packed)
    assert bench.code.wasm == packed
    assert bench.update("put", bytes(8)).reject is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-30] + data[-8:], id="a part is missing"),
        pytest.param(lambda data: data[:40] + bytes(20) + data[60:], id="overwritten"),
        pytest.param(lambda data: data[:-4] + bytes(4), id="wrong size in the footer"),
        pytest.param(lambda data: data[:12], id="nothing but a header"),
        pytest.param(lambda _data: b"<html>", id="no gzip and no Wasm"),
    ],
)
def test_a_damaged_file_is_refused(damage):
    with pytest.raises(Reject) as refused:
        Bench(damage(gzip.compress(wat("state"))))
    code, text = spelled(refused.value)
    assert code == "IC0505"
    assert text.startswith("Canister's Wasm module is not valid: Failed to decode wasm module: ")


def test_an_unknown_import_is_named():
    with pytest.raises(Reject) as refused:
        Bench(wat("unknown_import"))
    assert spelled(refused.value) == (
        "IC0505",
        (
            "Canister's Wasm module is not valid: Wasm module has an invalid import section. Module"
            " imports function 'launch_missiles' from 'env' that is not exported by the runtime."
        ),
    )


def test_a_module_with_persistent_heap_is_not_upgraded_without_saying_so():
    bench = Bench(wasm_from_text(EOP))
    with pytest.raises(Reject) as refused:
        bench.upgrade(wasm_from_text(EOP))
    assert spelled(refused.value) == (
        "IC0504",
        (
            "Missing upgrade option: Enhanced orthogonal persistence requires the"
            " `wasm_memory_persistence` upgrade option."
        ),
    )
    bench.upgrade(wasm_from_text(EOP), memory_persistence="replace")


def test_a_heap_is_not_kept_for_a_module_that_cannot_read_it():
    bench = Bench(wat("state"))
    with pytest.raises(Reject) as refused:
        bench.upgrade(wat("state"), memory_persistence="keep")
    code, text = spelled(refused.value)
    assert code == "IC0504"
    assert text.startswith("Invalid upgrade option: ")


def test_a_kept_heap_has_what_pre_upgrade_wrote_and_no_data_segment_over_it():
    bench = Bench(wat("persistent"))
    bench.upgrade(wat("persistent"), memory_persistence="keep")
    fresh_global = (3).to_bytes(8, "little")
    assert bench.reply("show") == fresh_global + (5).to_bytes(8, "little") + b"*+Fresh"


def test_a_kept_heap_that_the_new_module_has_no_memory_for_does_no_harm():
    bench = Bench(wat("persistent"))
    bench.upgrade(
        wasm_from_text('(module (@custom "icp:private enhanced-orthogonal-persistence" ""))'),
        memory_persistence="keep",
    )
    assert bench.code.heap.size_bytes == 3 * 65536


def test_a_snapshot_has_exported_globals_first_and_then_the_other_mutable_ones():
    code = Bench(wat("state")).code
    assert code.globals == (
        GlobalValue("f64", 0.5),
        GlobalValue("i32", 42),
        GlobalValue("i64", 10),
        GlobalValue("i32", 20),
    )


def test_a_snapshot_copy_is_not_changed_by_later_messages_and_runs_on_its_own():
    bench = Bench(wat("state"))
    bench.update("put", (1).to_bytes(8, "little"))
    copy = bench.code.snapshot_copy()
    bench.update("put", (2).to_bytes(8, "little"))
    bench.code, later = copy.snapshot_copy(), bench.code
    assert bench.reply("show")[:8] == (1).to_bytes(8, "little")
    bench.update("put", (3).to_bytes(8, "little"))
    bench.code = later
    assert bench.reply("show")[:8] == (2).to_bytes(8, "little")
    assert copy.size_bytes == later.size_bytes
