"""The documents that scripts read have exactly the members of the command contract."""

import json
from dataclasses import replace

import pytest

from juno_snap.management.types import GlobalTimer, SnapshotMetadata
from juno_snap.pipeline.actions import Finish
from juno_snap.pipeline.conclude import Conclusion
from juno_snap.pipeline.create_plan import plan_create
from juno_snap.pipeline.listing import SnapshotDetail, SnapshotList
from juno_snap.pipeline.next_action import next_action
from juno_snap.pipeline.program import Save
from juno_snap.pipeline.progress import SAVES
from juno_snap.pipeline.report import from_rfc3339, operation_id, rfc3339, snapshot_json
from juno_snap.pipeline.restore_plan import plan_restore
from juno_snap.units import MIB
from tests.unit.pipeline.notation import records_of
from tests.unit.pipeline.programs import (
    NEW_HASH,
    create_program,
    restore_program,
    upgrade_program,
)
from tests.unit.pipeline.values import MODULE, OLD_HASH, seen, snapshot_id, snapshots

SHARED = {
    "schema", "operation", "module", "module_status", "module_hash", "downtime_ms", "duration_ms",
    "steps", "errors", "warnings",
}  # fmt: skip
METADATA = SnapshotMetadata(
    source="taken_from_canister",
    taken_at_ns=1000,
    wasm_module_bytes=MIB,
    globals=(),
    wasm_memory_bytes=4 * MIB,
    stable_memory_bytes=2 * MIB,
    wasm_chunk_store=(b"\x03" * 32,),
    canister_version=3,
    certified_data=b"\x01",
    global_timer=GlobalTimer(1_700_000_000_000_000_000),
    on_low_wasm_memory_hook_status=None,
)


def test_times_are_utc_with_microseconds():
    assert rfc3339(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456Z"
    assert operation_id(1_700_000_000_123_456_789) == "20231114-221320-123456"
    assert from_rfc3339("2023-11-14T22:13:20.123456Z") == 1_700_000_000_123_456_000


def concluded(words, program):
    """The report of an operation that ended well; nobody was asked how it left the module."""
    records = [_with_evidence(record) for record in records_of(words)]
    finish = next_action(program, records)
    return Conclusion("20270115-080000-000000", program, records, finish).report()


def _with_evidence(record):
    if record.name not in SAVES:
        return record
    shown = snapshot_json(snapshots(1)[0])
    replaced = {"id": record.evidence["id"], "replaced": str(snapshot_id(0))}
    return replace(record, evidence={**shown, **replaced})


def test_the_document_of_an_upgrade():
    report = concluded("observe stop snapshot install start verify", upgrade_program())
    document = report.to_json()
    own = {
        "outcome", "old_hash", "new_hash", "snapshot", "replaced", "checks", "safety_snapshot",
        "versions_passed",
    }  # fmt: skip
    assert document.keys() == SHARED | own
    assert document["schema"] == 1
    assert document["outcome"] == "upgraded"
    assert document["module"] == str(MODULE)
    assert (document["old_hash"], document["new_hash"]) == (OLD_HASH.hex(), NEW_HASH.hex())
    assert document["snapshot"] == str(snapshot_id(103))
    assert document["replaced"] == [str(snapshot_id(0))]
    assert (document["checks"], document["versions_passed"]) == ([], None)
    assert [step["name"] for step in document["steps"]] == [
        "observe", "stop", "snapshot", "install", "start", "verify",
    ]  # fmt: skip
    assert document["steps"][1].keys() == {"name", "leg", "outcome", "duration_ms", "evidence"}
    json.dumps(document)


def test_the_document_of_a_restore():
    words = "stop safety-snapshot load start verify"
    document = concluded(words, restore_program(versions_passed=4)).to_json()
    own = {"outcome", "old_hash", "new_hash", "snapshot", "safety_snapshot", "versions_passed"}
    assert document.keys() == SHARED | own
    assert document["snapshot"] == str(snapshot_id(0))
    assert document["safety_snapshot"] == str(snapshot_id(102))
    assert document["versions_passed"] == 4


def test_the_document_of_a_new_snapshot():
    program = create_program(save=Save(purpose="user", label="before the sale", is_protected=True))
    document = concluded("stop snapshot start verify", program).to_json()
    assert document.keys() == SHARED | {"outcome", "snapshot", "replaced"}
    assert document["snapshot"].keys() == {
        "id", "taken_at", "total_size_bytes", "label", "protected",
    }  # fmt: skip
    assert document["snapshot"]["label"] == "before the sale"
    assert document["snapshot"]["protected"] is True
    assert document["replaced"] == [str(snapshot_id(0))]


def test_a_step_that_was_not_awaited_is_unknown_and_says_so():
    (_, taken) = concluded_before_its_end("stop snapshot.").facts.steps
    assert taken.to_json()["outcome"] == "unknown"
    assert taken.to_json()["evidence"] == {"error": "not awaited"}


def concluded_before_its_end(words):
    finish = Finish("interrupted", closes=False)
    return Conclusion("x", upgrade_program(), records_of(words), finish).report()


def test_the_document_of_a_list():
    document = SnapshotList(module=MODULE, snapshots=snapshots(2)).to_json()
    assert document.keys() == {"schema", "module", "snapshots", "slots_used", "slots_max"}
    assert (document["slots_used"], document["slots_max"]) == (2, 10)
    assert document["snapshots"][0]["made_by"] == "unknown"


def test_the_document_of_one_snapshot():
    detail = SnapshotDetail(
        module=MODULE,
        snapshot=snapshots(1)[0],
        metadata=METADATA,
        wasm_hash=None,
        storage_cycles_per_30_days=321,
    )
    shown = detail.to_json()["snapshot"]
    assert shown["wasm_hash"] is None
    assert shown["wasm_chunks"] == ["03" * 32]
    assert shown["global_timer_at"] == "2023-11-14T22:13:20.000000Z"
    assert shown["storage_cycles_per_30_days"] == "321"


def test_a_plan_to_restore_warns_of_the_timer_and_of_what_is_undone():
    plan = plan_restore(seen(), snapshots(1)[0], METADATA, may_discard=False)
    codes = [remark.code for remark in plan.outline.warnings]
    assert codes == ["changes-undone", "timer-not-loaded"]
    assert plan.versions_passed == 4
    document = plan.to_json()["plan"]
    assert [step["name"] for step in document["steps"]] == [
        "observe", "stop", "safety-snapshot", "load", "start", "verify",
    ]  # fmt: skip


def test_a_module_without_code_has_nothing_to_save_before_a_restore():
    observation = seen(module_hash=None, status="stopped")
    plan = plan_restore(observation, snapshots(1)[0], METADATA, may_discard=False)
    assert plan.outline.refusals == ()
    assert not plan.takes_safety_snapshot


@pytest.mark.parametrize(
    ("observation", "replace", "codes"),
    [
        (seen(), None, []),
        (seen(), "oldest", []),
        (seen(snapshots=snapshots(10)), None, ["no-free-slot"]),
        (seen(snapshots=snapshots(10)), "oldest", []),
        (seen(module_hash=None), None, ["module-empty"]),
    ],
)
def test_a_plan_to_take_a_snapshot(observation, replace, codes):
    plan = plan_create(observation, replace=replace)
    assert [refusal.code for refusal in plan.outline.refusals] == codes
    assert plan.to_json()["plan"]["replaced"] == (
        None if plan.replaced is None else "0" * 16 + MODULE.raw.hex()
    )
