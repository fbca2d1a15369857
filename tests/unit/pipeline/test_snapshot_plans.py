"""Plans of snapshots by hand and of going back: whose place the new snapshot takes."""

from dataclasses import replace

import pytest

from juno_snap.errors import InputError, PreconditionError
from juno_snap.management.types import SnapshotMetadata
from juno_snap.pipeline.create_plan import plan_create
from juno_snap.pipeline.plan import plan_upgrade
from juno_snap.pipeline.policy import FreeSlot, KeepNewest, ReplaceSnapshot
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore_plan import plan_restore
from juno_snap.units import MIB
from tests.unit.pipeline.values import (
    note,
    notes,
    scrap_note,
    seen,
    snapshot_id,
    snapshots,
    upgrade_note,
    wasm_file,
)

FULL = snapshots(10)
METADATA = SnapshotMetadata(
    source="taken_from_canister",
    taken_at_ns=1000,
    wasm_module_bytes=MIB,
    globals=(),
    wasm_memory_bytes=MIB,
    stable_memory_bytes=MIB,
    wasm_chunk_store=(),
    canister_version=5,
    certified_data=b"",
    global_timer=None,
    on_low_wasm_memory_hook_status=None,
)


def full(*known, **more):
    return seen(snapshots=FULL, notes=notes(*known), **more)


def codes(entries):
    return [entry.code for entry in entries]


def going_back(observation, place=0, *, may_discard=False):
    return plan_restore(
        observation, observation.snapshots[place], METADATA, may_discard=may_discard
    )


def test_a_snapshot_takes_a_free_slot_even_beside_scrap():
    plan = plan_create(seen(snapshots=snapshots(9), notes=notes(scrap_note(0))))
    assert (plan.replaced, plan.outline.refusals) == (None, ())


@pytest.mark.parametrize("known", [scrap_note(3), upgrade_note(3), note(3, "user")])
def test_without_a_slot_a_person_has_to_say_which_one_goes(known):
    plan = plan_create(full(known))
    assert plan.replaced is None
    with pytest.raises(PreconditionError) as caught:
        plan.outline.check()
    assert caught.value.code == "no-free-slot"
    assert "snapshot delete" in caught.value.message
    assert "--replace ID|oldest" in caught.value.hint


def test_the_oldest_that_may_go_is_replaced():
    known = [note(0, is_protected=True), note(1, "safety", "op", "restored")]
    plan = plan_create(full(*known), replace="oldest")
    assert plan.replaced == snapshot_id(2)


def test_a_protected_one_is_replaced_by_force_only():
    known = full(note(4, is_protected=True, label="good"))
    plan = plan_create(known, replace="good")
    assert codes(plan.outline.refusals) == ["snapshot-protected"]
    forced = plan_create(known, replace="good", force=True)
    assert (forced.replaced, forced.outline.refusals) == (snapshot_id(4), ())


def test_a_module_whose_snapshots_all_must_stay_is_refused_whatever_is_replaced():
    known = full(*(note(number, is_protected=True) for number in range(10)))
    assert codes(plan_create(known).outline.refusals) == ["no-free-slot"]
    assert codes(plan_create(known, replace="oldest").outline.refusals) == ["no-free-slot"]


def test_label_and_protection_are_part_of_the_plan():
    plan = plan_create(seen(), label=" before-2.0 ", protect=True)
    assert (plan.label, plan.is_protected) == ("before-2.0", True)
    document = plan.to_json()["plan"]
    assert (document["label"], document["protected"]) == ("before-2.0", True)
    with pytest.raises(InputError):
        plan_create(seen(), label="latest")


def test_a_label_belongs_to_one_snapshot_and_passes_on_to_the_one_in_its_place():
    known = full(note(4, label="good"))
    taken = plan_create(known, label="Good", replace="oldest")
    assert codes(taken.outline.refusals) == ["label-taken"]
    assert str(snapshot_id(4)) in taken.outline.refusals[0].text
    assert plan_create(known, label="good", replace="good").outline.refusals == ()
    of_one_that_is_gone = seen(snapshots=FULL[:2], notes=notes(note(4, label="good")))
    assert plan_create(of_one_that_is_gone, label="good").outline.refusals == ()


def test_the_present_state_is_saved_in_a_free_slot_beside_scrap():
    plan = going_back(seen(snapshots=FULL[:9], notes=notes(scrap_note(2))))
    assert (plan.takes_safety_snapshot, plan.replaced) == (True, None)


def test_on_a_full_module_the_present_state_takes_the_place_of_scrap():
    plan = going_back(full(upgrade_note(0), scrap_note(2), scrap_note(5, "failed")))
    assert plan.takes_safety_snapshot
    assert plan.replaced == snapshot_id(2)
    assert plan.outline.refusals == ()
    (text,) = [step.text for step in plan.outline.steps if step.name == "safety-snapshot"]
    assert str(snapshot_id(2)) in text
    assert plan.to_json()["plan"]["replaced"] == str(snapshot_id(2))


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(scrap_note(0), id="the one to go back to"),
        pytest.param(scrap_note(2, is_protected=True), id="protected"),
        pytest.param(scrap_note(2, label="look-at-it"), id="with a label"),
        pytest.param(upgrade_note(2), id="no scrap"),
        pytest.param(note(2, "upgrade", "op"), id="an unfinished operation's"),
    ],
)
def test_nothing_but_scrap_makes_room_for_the_present_state(known):
    plan = going_back(full(known))
    assert (plan.takes_safety_snapshot, plan.replaced) == (False, None)
    assert codes(plan.outline.refusals) == ["no-safety-snapshot"]
    assert going_back(full(known), may_discard=True).outline.refusals == ()


def test_cycles_for_one_snapshot_only_save_the_present_state_in_place_of_scrap():
    there = tuple(replace(old, total_size_bytes=7 * MIB) for old in snapshots(3))
    rich = going_back(seen(snapshots=there, notes=notes(scrap_note(1))))
    assert rich.replaced is None
    poor = seen(
        snapshots=there,
        notes=notes(scrap_note(1)),
        cycles=rich.outline.cycles.required - 1,
    )
    plan = going_back(poor)
    assert (plan.replaced, plan.outline.refusals) == (snapshot_id(1), ())


def test_cycles_for_one_snapshot_only_name_what_would_let_it_take_the_place_of_another():
    there = tuple(replace(old, total_size_bytes=7 * MIB) for old in snapshots(2))

    def plan_of(policy, **more):
        return plan_upgrade(
            seen(snapshots=there, **more), UpgradeRequest(snapshots=policy), wasm_file()
        )

    cycles = plan_of(FreeSlot()).decision.cycles.required - 1
    (refusal,) = plan_of(FreeSlot(), cycles=cycles).outline.refusals
    assert refusal.code == "not-enough-cycles"
    assert {"--replace ID|oldest", "--keep N --any", "--no-snapshot"} <= set(refusal.flags)
    for policy in (ReplaceSnapshot(which="oldest"), KeepNewest(count=1, of_any_maker=True)):
        assert plan_of(policy, cycles=cycles).outline.refusals == ()
    known = plan_of(FreeSlot(), cycles=cycles, notes=notes(upgrade_note(1)))
    assert known.outline.refusals == ()
    assert known.decision.replaced == snapshot_id(1)
