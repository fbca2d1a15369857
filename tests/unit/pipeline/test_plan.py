"""Plans of upgrades: every policy against every state of the slots, and every reason against."""

from dataclasses import replace

import pytest

from juno_snap.errors import InputError, NotFoundError, PreconditionError
from juno_snap.management.types import Reinstall, Upgrade
from juno_snap.pipeline.plan import plan_upgrade
from juno_snap.pipeline.policy import (
    FreeSlot,
    KeepNewest,
    NoOverwrite,
    NoSnapshot,
    ReplaceSnapshot,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.units import MIB
from tests.unit.pipeline.values import OTHER_MODULE, seen, snapshot_id, snapshots, wasm_file

SMALL = wasm_file()
LARGE = wasm_file(size_bytes=6 * MIB)
PERSISTENT = wasm_file(persistent=True)


def plan_of(observation=None, wasm=SMALL, **options):
    return plan_upgrade(observation or seen(), UpgradeRequest(**options), wasm)


def names(plan):
    return [step.name for step in plan.outline.steps]


def codes(entries):
    return [entry.code for entry in entries]


def test_an_upgrade_stops_takes_installs_and_starts_with_nothing_in_between():
    plan = plan_of()
    assert names(plan) == ["observe", "stop", "snapshot", "install", "start", "verify"]
    assert plan.outline.refusals == plan.outline.asks == plan.outline.warnings == ()
    assert (plan.outline.update_calls, plan.outline.rounds) == (7, 5)


def test_a_large_module_is_staged_before_the_stop_and_tidied_after_verification():
    plan = plan_of(wasm=LARGE)
    expected = ["observe", "stage", "stop", "snapshot", "install", "start", "verify", "tidy"]
    assert names(plan) == expected
    assert plan.outline.update_calls == 3 + 7 + 4 + 1
    assert plan.outline.rounds == 7


# What each policy does with a number of snapshots: the new one is taken, this one is replaced at
# once, these are deleted after verification; or the code of the refusal.
POLICIES = [
    pytest.param(FreeSlot(), 0, (True, None, []), id="default, none there"),
    pytest.param(FreeSlot(), 9, (True, None, []), id="default, one slot free"),
    pytest.param(FreeSlot(), 10, "no-free-slot", id="default, full"),
    pytest.param(KeepNewest(count=1), 0, (True, None, []), id="keep 1, none there"),
    pytest.param(KeepNewest(count=1), 9, (True, None, []), id="keep 1, others are not ours"),
    pytest.param(KeepNewest(count=1), 10, "no-free-slot", id="keep 1, full"),
    pytest.param(
        KeepNewest(count=3, of_any_maker=True), 2, (True, None, []), id="keep 3 any, room for it"
    ),
    pytest.param(
        KeepNewest(count=3, of_any_maker=True), 4, (True, None, [0, 1]), id="keep 3 any, two go"
    ),
    pytest.param(
        KeepNewest(count=8, of_any_maker=True), 10, (True, 0, [1, 2]), id="keep 8 any, full"
    ),
    pytest.param(KeepNewest(count=10, of_any_maker=True), 10, (True, 0, []), id="keep 10 any"),
    pytest.param(NoOverwrite(), 9, (True, None, []), id="no overwrite, one slot free"),
    pytest.param(NoOverwrite(), 10, (False, None, []), id="no overwrite, full"),
    pytest.param(NoSnapshot(), 0, (False, None, []), id="no snapshot"),
    pytest.param(NoSnapshot(), 10, (False, None, []), id="no snapshot, full"),
    pytest.param(ReplaceSnapshot(which="oldest"), 0, (True, None, []), id="oldest of none"),
    pytest.param(ReplaceSnapshot(which="oldest"), 3, (True, None, [0]), id="oldest, slots free"),
    pytest.param(ReplaceSnapshot(which="oldest"), 10, (True, 0, []), id="oldest, full"),
    pytest.param(ReplaceSnapshot(which="latest"), 10, (True, 9, []), id="latest, full"),
    pytest.param(
        ReplaceSnapshot(which=str(snapshot_id(4))), 10, (True, 4, []), id="a named one, full"
    ),
]  # fmt: skip


@pytest.mark.parametrize("found", ["running", "stopped", "stopping"])
@pytest.mark.parametrize(("policy", "count", "expected"), POLICIES)
def test_policy_decides_what_is_taken_and_given_up(policy, count, expected, found):
    there = snapshots(count)
    observation = seen(snapshots=there, status=found)
    plan = plan_of(observation, snapshots=policy, found_stopped="start")
    if isinstance(expected, str):
        assert codes(plan.outline.refusals) == [expected]
        return
    takes, replaced, deleted = expected
    decision = plan.decision
    assert plan.outline.refusals == ()
    assert decision.takes_snapshot is takes
    assert ("snapshot" in names(plan)) is takes
    assert decision.replaced == (None if replaced is None else there[replaced].id)
    assert decision.delete_after == tuple(there[place].id for place in deleted)
    assert (names(plan)[-1] == "tidy") is bool(deleted)
    assert decision.sends_stop
    assert decision.sends_start


def test_a_full_module_is_refused_with_every_way_out():
    plan = plan_of(seen(snapshots=snapshots(10)))
    (refusal,) = plan.outline.refusals
    assert refusal.flags == (
        "--replace ID|oldest", "--keep N --any", "--no-overwrite", "--no-snapshot",
    )  # fmt: skip
    with pytest.raises(PreconditionError) as caught:
        plan.outline.check()
    assert caught.value.code == "no-free-slot"
    assert "--keep N --any" in caught.value.hint


def test_giving_up_a_snapshot_before_verification_is_said():
    plan = plan_of(seen(snapshots=snapshots(10)), snapshots=ReplaceSnapshot(which="oldest"))
    assert codes(plan.outline.warnings) == ["way-back-given-up"]


def test_without_a_slot_and_without_overwriting_the_plan_names_what_remains():
    plan = plan_of(seen(snapshots=snapshots(10)), snapshots=NoOverwrite())
    (warning,) = plan.outline.warnings
    assert warning.code == "no-way-back"
    assert all(str(old.id) in warning.text for old in snapshots(10))


def test_the_snapshot_to_replace_must_exist_and_be_the_modules():
    with pytest.raises(NotFoundError):
        plan_of(seen(snapshots=snapshots(2)), snapshots=ReplaceSnapshot(which="ff"))
    foreign = str(snapshot_id(0, OTHER_MODULE))
    with pytest.raises(NotFoundError) as caught:
        plan_of(seen(snapshots=snapshots(2)), snapshots=ReplaceSnapshot(which=foreign))
    assert caught.value.code == "snapshot-of-another-module"


@pytest.mark.parametrize("count", [0, 11, -1])
def test_a_number_of_snapshots_that_cannot_be_kept_is_refused(count):
    with pytest.raises(InputError):
        KeepNewest(count=count)


@pytest.mark.parametrize(
    ("old", "new", "wanted", "expected"),
    [
        (False, False, "auto", None),
        (False, True, "auto", None),
        (True, True, "auto", "keep"),
        (True, False, "auto", "persistence-lost"),
        (True, True, "keep", "keep"),
        (True, False, "keep", "persistence-lost"),
        (False, True, "keep", "persistence-not-there"),
        (False, False, "keep", "persistence-lost"),
        (True, True, "replace", "replace"),
        (True, False, "replace", "replace"),
        (False, False, "replace", "replace"),
    ],
)
def test_the_heap_of_a_persistent_module_is_never_lost_by_default(old, new, wanted, expected):
    wasm = PERSISTENT if new else SMALL
    plan = plan_of(seen(is_persistent=old), wasm, memory_persistence=wanted)
    if plan.outline.refusals:
        assert codes(plan.outline.refusals) == [expected]
    else:
        assert plan.decision.mode == Upgrade(wasm_memory_persistence=expected)
    assert ("heap-replaced" in codes(plan.outline.warnings)) is (old and wanted == "replace")


def test_equal_code_on_a_running_module_needs_nothing():
    plan = plan_of(seen(module_hash=SMALL.sha256, snapshots=snapshots(10)))
    assert plan.is_unchanged
    assert names(plan) == ["observe"]
    plan.outline.check()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"arg": b"DIDL\x00\x00"}, id="an argument"),
        pytest.param({"reset": True}, id="a reset"),
        pytest.param({"sha256": b"\x00" * 32}, id="another hash was asked for"),
    ],
)
def test_equal_code_is_installed_where_something_else_was_asked_for(options):
    assert not plan_of(seen(module_hash=SMALL.sha256), **options).is_unchanged


def test_equal_code_on_a_stopped_module_is_not_taken_for_done():
    observation = seen(module_hash=SMALL.sha256, status="stopped")
    assert not plan_of(observation, found_stopped="start").is_unchanged


@pytest.mark.parametrize("found", ["stopped", "stopping"])
def test_a_module_that_does_not_run_is_asked_about(found):
    plan = plan_of(seen(status=found))
    assert codes(plan.outline.asks) == ["found-stopped"]
    assert plan.outline.asks[0].flags == ("--start", "--leave-stopped")
    with pytest.raises(PreconditionError):
        plan.outline.check()


@pytest.mark.parametrize(("answer", "starts"), [("start", True), ("leave-stopped", False)])
def test_the_answer_decides_whether_a_stopped_module_is_started(answer, starts):
    plan = plan_of(seen(status="stopped"), found_stopped=answer)
    plan.outline.check()
    assert ("start" in names(plan)) is starts


def test_a_running_module_that_is_not_stopped_is_not_started_either():
    plan = plan_of(stop=False)
    assert names(plan) == ["observe", "snapshot", "install", "verify"]
    assert codes(plan.outline.warnings) == ["not-stopped"]


def test_a_reset_says_that_it_wipes():
    plan = plan_of(seen(is_persistent=True), reset=True)
    assert plan.decision.mode == Reinstall()
    assert codes(plan.outline.warnings) == ["data-wiped", "configuration-unknown"]


def test_a_reset_with_options_of_an_upgrade_is_refused():
    with pytest.raises(InputError):
        UpgradeRequest(reset=True, memory_persistence="keep")
    with pytest.raises(InputError):
        UpgradeRequest(reset=True, skip_pre_upgrade=True)


@pytest.mark.parametrize(
    ("observation", "wasm", "options", "code"),
    [
        pytest.param(seen(module_hash=None), SMALL, {}, "module-empty", id="empty"),
        pytest.param(seen(), SMALL, {"sha256": b"\x01" * 32}, "wrong-sha256", id="sha256"),
        pytest.param(seen(), SMALL, {"arg": bytes(2 * MIB)}, "argument-too-large", id="arg"),
        pytest.param(seen(cycles=1_000), SMALL, {}, "not-enough-cycles", id="cycles"),
    ],
)
def test_refuses(observation, wasm, options, code):
    plan = plan_of(observation, wasm, **options)
    assert codes(plan.outline.refusals) == [code]


def test_a_file_that_is_not_the_pinned_one_is_not_answered_by_pinning_it():
    plan = plan_of(sha256=b"\x01" * 32)
    assert plan.outline.refusals[0].flags == ()
    with pytest.raises(PreconditionError, match="another file, or was changed") as caught:
        plan.outline.check()
    assert caught.value.hint == ""


def test_too_few_cycles_can_be_forced_with_a_warning():
    plan = plan_of(seen(cycles=1_000), force=True)
    assert plan.outline.refusals == ()
    assert "not-enough-cycles" in codes(plan.outline.warnings)


def test_cycles_for_one_snapshot_only_replace_the_named_one_at_once():
    there = tuple(replace(old, total_size_bytes=7 * MIB) for old in snapshots(2))
    rich = plan_of(seen(snapshots=there), snapshots=ReplaceSnapshot(which="oldest"))
    assert rich.decision.replaced is None
    just_too_little = rich.decision.cycles.required - 1
    poor = plan_of(
        seen(snapshots=there, cycles=just_too_little), snapshots=ReplaceSnapshot(which="oldest")
    )
    assert poor.decision.replaced == there[0].id
    assert poor.outline.refusals == ()
    assert poor.decision.cycles.snapshot_reserve < rich.decision.cycles.snapshot_reserve


def test_chunks_that_are_there_are_not_sent_again():
    half = frozenset(LARGE.chunk_hashes[:3])
    plan = plan_of(seen(stored_chunks=half), LARGE)
    assert plan.decision.staging.missing == (3, 4, 5, 6)
    assert plan.decision.staging.clear_last


def test_foreign_chunks_stay_and_keep_the_store_from_being_emptied():
    plan = plan_of(seen(stored_chunks=frozenset({b"\x07" * 32})), LARGE)
    assert not plan.decision.staging.clear_first
    assert names(plan)[-1] == "verify"


@pytest.mark.parametrize(
    ("foreign", "options"),
    [pytest.param(1, {"clear_chunks": True}, id="asked for"), pytest.param(94, {}, id="overflow")],
)
def test_the_store_is_emptied_first_when_asked_or_when_it_would_overflow(foreign, options):
    stored = frozenset(bytes([number]) * 32 for number in range(foreign))
    plan = plan_of(seen(stored_chunks=stored | {LARGE.chunk_hashes[0]}), LARGE, **options)
    assert names(plan)[:3] == ["observe", "clear-chunks", "stage"]
    assert plan.decision.staging.missing == tuple(range(7))
    assert names(plan)[-1] == "tidy"
    assert "chunks-cleared" in codes(plan.outline.warnings)


def test_the_plan_document_has_the_members_that_scripts_read():
    document = plan_of(seen(cycles=5_000_000_000_000)).to_json()
    assert document["schema"] == 1
    plan = document["plan"]
    assert {"steps", "refusals", "warnings", "update_calls", "cycles", "asks"} <= plan.keys()
    assert plan["cycles"].keys() == {
        "available", "required", "freezing_reserve", "ingress", "snapshot", "snapshot_reserve",
        "install_reserve", "install", "going_back", "ok", "going_back_ok",
    }  # fmt: skip
    assert plan["cycles"]["available"] == "5000000000000"
    assert plan["cycles"]["ok"] is True
    assert plan["steps"][0] == {
        "name": "observe",
        "text": "read status, snapshots, chunk store and certified state",
        "update_calls": 3,
        "rounds": 1,
    }
