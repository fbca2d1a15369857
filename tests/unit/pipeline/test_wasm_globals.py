"""The globals of a module as snapshots have them; what the replica lists is the judge."""

import pytest

from juno_snap.backup.model import Global
from juno_snap.pipeline.wasm_file import check_wasm
from juno_snap.pipeline.wasm_globals import globals_problem, saved_globals
from juno_snap.replica.instrument.binary import read_sections
from juno_snap.replica.instrument.shape import read_shape
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.samples import SAMPLE_NAMES, sample
from tests.unit.pipeline.values import HEADER, leb128, section

MIXED = """
(module
  (global $fixed i32 (i32.const 1))
  (global $quiet (mut i64) (i64.const -7))
  (global $first (mut f32) (f32.const 1.5))
  (global (export "shown") f64 (f64.const 2.5))
  (global $wide (mut v128) (v128.const i64x2 1 -1))
  (global $sum (mut i32) (i32.add (i32.const 300) (i32.mul (i32.const 2) (i32.const 70000))))
  (global $copied (mut i32) (global.get $fixed))
  (export "first" (global $first))
  (export "once more" (global $first)))
"""
LISTED = ["f64", "f32", "f32", "i64", "v128", "i32", "i32"]


def kinds(wasm):
    return [each.kind for each in check_wasm(wasm, name="x.wasm").saved_globals]


def test_exported_ones_come_first_and_then_the_other_mutable_ones():
    wasm = wasm_from_text(MIXED)
    assert kinds(wasm) == LISTED
    listed = check_wasm(wasm, name="x.wasm").saved_globals
    assert [each.index for each in listed] == [3, 2, 2, 1, 4, 5, 6]
    assert listed[0].told == "f64 (its global 3, exported as 'shown')"
    assert listed[3].told == "i64 (its global 1, mutable)"


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_the_local_replica_lists_the_same(name):
    wasm = sample(name)
    assert kinds(wasm) == [each.type for each in read_shape(read_sections(wasm)).snapshot_globals()]


def test_a_backup_is_told_which_global_is_another_one():
    code = check_wasm(wasm_from_text(MIXED), name="x.wasm").saved_globals
    ours = [Global(kind, 1.0 if kind[0] == "f" else 1) for kind in LISTED]
    assert globals_problem(ours, code) is None
    ours[3] = Global("i32", 5)
    assert globals_problem(ours, code) == (
        "global 3 is i32 5 in the metadata of the backup and i64 (its global 1, mutable) in its "
        "code (7 globals in the one, 7 in the other)"
    )
    assert "global 6 is missing in the metadata" in globals_problem(
        [Global(kind, 1.0 if kind[0] == "f" else 1) for kind in LISTED[:6]], code
    )
    assert globals_problem(ours, None) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x01\x7f\x01\x41", id="cut"),
        pytest.param(b"\x02\x7f\x01\x41\x00\x0b", id="fewer than it says"),
        pytest.param(b"\x01\x7f\x01\xff\x0b", id="an instruction that is not constant"),
        pytest.param(b"\x80\x80\x80", id="an endless count"),
    ],
)
def test_what_is_not_understood_is_no_reason_to_refuse(content):
    assert check_wasm(HEADER + section(6, content), name="x.wasm").saved_globals is None


def test_an_export_of_a_global_that_is_not_there_is_not_understood():
    assert saved_globals(leb128(0), [(0, "lost")]) is None
    assert saved_globals(b"", []) == ()
