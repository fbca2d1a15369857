"""The documents that scripts read have exactly the members of the command contract."""

import pytest

from juno_snap.events import StepFinished, StepStarted
from juno_snap.management.types import GlobalTimer, SnapshotMetadata
from juno_snap.pipeline.create import create_snapshot
from juno_snap.pipeline.create_plan import plan_create
from juno_snap.pipeline.policy import NoSnapshot
from juno_snap.pipeline.report import operation_id, rfc3339
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import restore_snapshot
from juno_snap.pipeline.restore_plan import plan_restore
from juno_snap.pipeline.snapshots import SnapshotDetail, SnapshotList
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.units import MIB
from tests.unit.pipeline.scripted_module import FAULTS, ScriptedModule
from tests.unit.pipeline.values import MODULE, OLD_HASH, seen, snapshots, wasm_file

SMALL = wasm_file()
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


@pytest.mark.anyio
async def test_the_document_of_an_upgrade():
    module = ScriptedModule()
    report = await upgrade(module, MODULE, UpgradeRequest(), SMALL, clock=module.clock)
    document = report.to_json()
    own = {"outcome", "old_hash", "new_hash", "snapshot", "replaced", "checks"}
    assert document.keys() == SHARED | own
    assert document["schema"] == 1
    assert document["module"] == str(MODULE)
    assert document["module_status"] == "running"
    assert (document["old_hash"], document["new_hash"]) == (OLD_HASH.hex(), SMALL.sha256.hex())
    assert document["snapshot"] == str(report.snapshot)
    assert document["steps"][1].keys() == {"name", "outcome", "duration_ms", "evidence"}


@pytest.mark.anyio
async def test_an_unchanged_module_is_reported_without_a_change():
    module = ScriptedModule()
    module.module_hash = SMALL.sha256
    report = await upgrade(module, MODULE, UpgradeRequest(), SMALL, clock=module.clock)
    assert report.outcome == "unchanged"
    assert (report.snapshot, report.facts.downtime_ms) == (None, 0)
    assert [step.name for step in report.facts.steps] == ["observe"]


@pytest.mark.anyio
async def test_a_run_without_a_snapshot_says_so():
    module = ScriptedModule()
    request = UpgradeRequest(snapshots=NoSnapshot())
    report = await upgrade(module, MODULE, request, SMALL, clock=module.clock)
    assert report.snapshot is None
    assert "no way back" in report.facts.warnings[0]


@pytest.mark.anyio
async def test_each_step_is_told_when_it_begins_and_when_it_ends():
    module = ScriptedModule(faults={"install_code": [FAULTS["certified reject"]()]})
    events = []
    with pytest.raises(Exception, match="trapped"):
        await upgrade(
            module, MODULE, UpgradeRequest(), SMALL, observer=events.append, clock=module.clock
        )
    told = [
        (type(event).__name__, event.step, getattr(event, "outcome", ""))
        for event in events
        if isinstance(event, StepStarted | StepFinished)
    ]
    assert told[-4:] == [
        ("StepStarted", "install", ""),
        ("StepFinished", "install", "failed"),
        ("StepStarted", "start", ""),
        ("StepFinished", "start", "done"),
    ]


@pytest.mark.anyio
async def test_the_document_of_a_restore():
    module = ScriptedModule(snapshots=snapshots(1))
    report = await restore_snapshot(module, MODULE, "latest", clock=module.clock)
    document = report.to_json()
    own = {"outcome", "old_hash", "new_hash", "snapshot", "safety_snapshot", "versions_passed"}
    assert document.keys() == SHARED | own
    assert document["snapshot"] == str(snapshots(1)[0].id)


@pytest.mark.anyio
async def test_the_document_of_a_new_snapshot():
    module = ScriptedModule(snapshots=snapshots(10))
    report = await create_snapshot(module, MODULE, replace="oldest", clock=module.clock)
    document = report.to_json()
    assert document.keys() == SHARED | {"snapshot", "replaced"}
    assert document["snapshot"].keys() == {
        "id", "taken_at", "total_size_bytes", "label", "protected",
    }  # fmt: skip
    assert document["replaced"] == [str(snapshots(1)[0].id)]


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
