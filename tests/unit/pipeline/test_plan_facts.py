"""What a plan tells beside its steps: slots, the way back, hooks, memory."""

from dataclasses import replace

import pytest

from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.hooks.model import HookSpec
from juno_snap.pipeline.plan import plan_upgrade
from juno_snap.pipeline.policy import KeepNewest, NoSnapshot, ReplaceSnapshot
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.units import MIB
from tests.unit.pipeline.values import CALLER, PLENTY, seen, snapshots, status, wasm_file

WASM = wasm_file()
CHECKS = (parse_check("command: ./ping.sh"),)


def plan_of(observation=None, hooks=(), **options):
    request = UpgradeRequest(**{"checks": CHECKS, **options})
    return plan_upgrade(observation or seen(), request, WASM, hooks=hooks)


def document(plan):
    return plan.to_json()["plan"]


def codes(entries):
    return [entry.code for entry in entries]


def test_with_a_snapshot_and_a_check_the_way_back_is_automatic():
    plan = plan_of(rollback_window_seconds=300)
    assert plan.facts.way_back.is_automatic
    told = document(plan)["going_back"]
    assert told["automatic"] is True
    assert "300 seconds" in told["text"]
    assert "safety snapshot" in told["text"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"snapshots": NoSnapshot()}, "no snapshot is taken", id="no snapshot"),
        pytest.param({"stop": False}, "the module serves meanwhile", id="no stop"),
        pytest.param({"goes_back": False}, "the new code stays", id="no rollback"),
        pytest.param({"checks": ()}, "no check", id="no check"),
    ],
)
def test_without_one_of_its_conditions_the_plan_says_why_there_is_no_automatic_way_back(
    options, words
):
    told = document(plan_of(**options))["going_back"]
    assert told["automatic"] is False
    assert words in told["text"]


def test_a_module_that_is_left_stopped_cannot_be_checked():
    plan = plan_of(seen(status="stopped"), found_stopped="leave-stopped")
    assert not plan.facts.way_back.is_automatic
    assert "check" not in [step.name for step in plan.outline.steps]


def test_checks_are_a_step_after_verification_and_cost_no_call_that_is_certain():
    plan = plan_of()
    assert [step.name for step in plan.outline.steps][-2:] == ["verify", "check"]
    assert (plan.outline.update_calls, plan.outline.rounds) == (7, 5)


@pytest.mark.parametrize(
    ("count", "policy", "planned"),
    [
        pytest.param(0, NoSnapshot(), 0, id="none is taken"),
        pytest.param(3, ReplaceSnapshot(which="oldest"), 3, id="one goes afterwards"),
        pytest.param(10, ReplaceSnapshot(which="oldest"), 10, id="one goes at once"),
        pytest.param(4, KeepNewest(count=2, of_any_maker=True), 2, id="several go"),
    ],
)
def test_the_plan_counts_slots_now_and_in_the_end(count, policy, planned):
    plan = plan_of(seen(snapshots=snapshots(count)), snapshots=policy)
    assert document(plan)["snapshots"] == {"used": count, "max": 10, "planned": planned}


def test_without_a_slot_left_going_back_may_not_save_what_it_loses():
    full = seen(snapshots=snapshots(10))
    (given_up, doubt) = plan_of(full, snapshots=ReplaceSnapshot(which="oldest")).outline.warnings
    assert (given_up.code, doubt.code) == ("way-back-given-up", "no-safety-snapshot")
    assert "no slot is free" in doubt.text
    assert plan_of(seen(snapshots=snapshots(8))).outline.warnings == ()
    assert codes(plan_of(seen(snapshots=snapshots(9))).outline.warnings) == ["no-safety-snapshot"]


def test_cycles_for_the_upgrade_alone_are_enough_and_the_doubt_about_going_back_is_said():
    memory = replace(status().memory_metrics, stable_memory_bytes=4_000 * MIB)
    needed = plan_of(seen(memory_metrics=memory)).decision.cycles
    assert needed.required < needed.required_going_back < PLENTY
    plan = plan_of(seen(memory_metrics=memory, cycles=needed.required))
    assert plan.outline.refusals == ()
    assert codes(plan.outline.warnings) == ["no-safety-snapshot"]
    told = document(plan)["cycles"]
    assert (told["ok"], told["going_back_ok"]) == (True, False)
    without = plan_of(seen(memory_metrics=memory, cycles=needed.required), checks=())
    assert without.outline.warnings == (), "nothing goes back by itself"


def test_hooks_are_shown_at_their_points_with_their_bounds():
    hooks = (
        HookSpec(name="tell", point="after-upgrade", command=("tell",)),
        HookSpec(name="drain", point="before-snapshot", command=("drain",)),
        HookSpec(name="warm", point="before-start", command=("warm",), timeout_seconds=2.5),
    )
    plan = plan_of(hooks=hooks)
    assert document(plan)["hooks"] == {
        "points": {
            "after-upgrade": [{"name": "tell", "timeout_seconds": 300.0}],
            "before-snapshot": [{"name": "drain", "timeout_seconds": 10.0}],
            "before-start": [{"name": "warm", "timeout_seconds": 2.5}],
        },
        "down_seconds_max": 12.5,
    }
    (warning,) = plan.outline.warnings
    assert warning.code == "hooks-while-down"
    assert "12.5 seconds" in warning.text


def test_hooks_of_a_module_that_is_not_stopped_hold_up_nothing():
    hooks = (HookSpec(name="drain", point="before-snapshot", command=("drain",)),)
    plan = plan_of(hooks=hooks, stop=False)
    assert "hooks-while-down" not in codes(plan.outline.warnings)


def test_the_plan_names_controllers_and_memory():
    told = document(plan_of())
    assert told["controllers"] == [str(CALLER)]
    assert told["memory"] == {
        "total_bytes": 10 * MIB,
        "heap_bytes": 4 * MIB,
        "stable_bytes": 2 * MIB,
        "snapshots_bytes": 0,
        "wasm_memory_limit_bytes": None,
        "memory_allocation_bytes": 0,
    }


def test_where_nothing_is_done_nothing_is_warned_of():
    hooks = (HookSpec(name="drain", point="before-snapshot", command=("drain",)),)
    plan = plan_of(seen(module_hash=WASM.sha256, interface=None), hooks=hooks)
    assert plan.is_unchanged
    assert plan.outline.warnings == plan.outline.refusals == ()
    assert document(plan)["going_back"]["automatic"] is False
