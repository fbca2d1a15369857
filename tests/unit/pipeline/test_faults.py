"""Whatever fails, and however: a stop that was sent is followed by a start."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.errors import JunoSnapError, PreconditionError
from juno_snap.pipeline.create import create_snapshot
from juno_snap.pipeline.policy import KeepNewest
from juno_snap.pipeline.report import (
    OperationCancelledError,
    OperationFailedError,
    OperationUnknownError,
)
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.restore import restore_snapshot
from juno_snap.pipeline.upgrade import upgrade
from juno_snap.units import MIB
from tests.unit.pipeline.scripted_module import (
    FAULTS,
    Fault,
    PatientClock,
    ScriptedModule,
    certified_reject,
    changing_calls,
    outcome_unknown,
)
from tests.unit.pipeline.values import MODULE, OLD_HASH, snapshots, wasm_file

SMALL = wasm_file()
LARGE = wasm_file(size_bytes=3 * MIB)


async def run_upgrade_of(module, wasm=SMALL, **options):
    return await upgrade(module, MODULE, UpgradeRequest(**options), wasm, clock=module.clock)


def steps_of(report):
    return [(step.name, step.outcome) for step in report.facts.steps]


@pytest.mark.anyio
async def test_a_good_upgrade_does_its_steps_in_order():
    module = ScriptedModule()
    report = await run_upgrade_of(module)
    assert changing_calls(module) == ["stop", "take_canister_snapshot", "install_code", "start"]
    assert report.outcome == "upgraded"
    assert (module.run_status, module.module_hash) == ("running", SMALL.sha256)
    assert report.snapshot in module.snapshots
    assert report.facts.downtime_ms == 4_000
    assert [name for name, _ in steps_of(report)] == [
        "observe", "stop", "snapshot", "install", "start", "verify",
    ]  # fmt: skip


@pytest.mark.anyio
async def test_superseded_snapshots_and_chunks_go_only_after_verification():
    module = ScriptedModule(snapshots=snapshots(3))
    keep_two = KeepNewest(count=2, of_any_maker=True)
    report = await run_upgrade_of(module, LARGE, snapshots=keep_two)
    assert changing_calls(module)[-4:] == [
        "start", "delete_canister_snapshot", "delete_canister_snapshot", "clear_chunk_store",
    ]  # fmt: skip
    assert report.replaced == tuple(old.id for old in snapshots(2))
    assert len(module.snapshots) == 2
    assert module.chunks == set()


@pytest.mark.anyio
async def test_what_cannot_be_tidied_is_a_warning():
    faults = {"clear_chunk_store": [FAULTS["certified reject"]()]}
    report = await run_upgrade_of(ScriptedModule(faults=faults), LARGE)
    assert report.outcome == "upgraded"
    assert "chunk store was not emptied" in report.facts.warnings[0]


DOWN = ["stop_canister", "take_canister_snapshot", "install_code"]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("call", DOWN)
async def test_a_fault_while_the_module_is_down_is_followed_by_a_start(call, kind):
    module = ScriptedModule(faults={call: [FAULTS[kind]()]}, clock=PatientClock(600))
    with pytest.raises((OperationFailedError, OperationUnknownError)) as caught:
        await run_upgrade_of(module)
    report = caught.value.report
    assert module.run_status == "running"
    assert module.sent(*DOWN, "start_canister")[: DOWN.index(call) + 1] == [
        *DOWN[: DOWN.index(call) + 1]
    ]
    assert module.calls[module.calls.index("stop_canister") :].count("start_canister") >= 1
    assert report.facts.module_status == "running"
    assert report.facts.module_hash == module.module_hash
    is_known = kind in {"certified reject", "temporary reject", "not delivered"}
    assert report.outcome == ("failed" if is_known else "unknown")
    if is_known:
        assert caught.value.runs_old_code
        assert (module.module_hash, module.data) == (OLD_HASH, "old")


@pytest.mark.anyio
async def test_a_temporary_refusal_between_stop_and_start_says_that_it_passes():
    module = ScriptedModule(faults={"install_code": [FAULTS["temporary reject"]()]})
    with pytest.raises(OperationFailedError) as caught:
        await run_upgrade_of(module, wasm=SMALL)
    assert caught.value.step == "install"
    assert caught.value.runs_old_code
    assert "wait some minutes" in caught.value.hint


@pytest.mark.anyio
async def test_a_start_is_tried_several_times():
    faults = {"start_canister": [FAULTS["not delivered"](), FAULTS["uncertified reject"]()]}
    module = ScriptedModule(faults=faults)
    report = await run_upgrade_of(module)
    assert report.outcome == "upgraded"
    assert len(module.sent("start_canister")) == 3


@pytest.mark.anyio
async def test_when_install_and_start_fail_both_errors_are_reported():
    faults = {
        "install_code": [Fault(certified_reject(message="trapped in post_upgrade"))],
        "start_canister": [Fault(certified_reject(message="no start")) for _ in range(3)],
    }
    module = ScriptedModule(faults=faults)
    with pytest.raises(OperationFailedError) as caught:
        await run_upgrade_of(module)
    error = caught.value
    assert "trapped in post_upgrade" in error.message
    assert "no start" in error.message
    assert [(fault.step, fault.message) for fault in error.report.facts.errors] == [
        ("install", "trapped in post_upgrade"),
        ("start", "no start"),
    ]
    assert not error.runs_old_code
    assert error.report.facts.module_status == "stopped"
    assert "module start" in error.hint


@pytest.mark.anyio
async def test_a_failed_start_alone_is_no_success():
    faults = {"start_canister": [Fault(certified_reject()) for _ in range(3)]}
    with pytest.raises(OperationFailedError) as caught:
        await run_upgrade_of(ScriptedModule(faults=faults))
    assert caught.value.step == "start"
    assert not caught.value.runs_old_code
    assert caught.value.report.facts.module_hash == SMALL.sha256


@pytest.mark.anyio
async def test_a_stop_that_takes_too_long_is_called_off_by_a_start():
    clock = PatientClock()
    gate = asyncio.Event()

    def start_cancels_the_stop():
        stop.error = certified_reject("IC0511", "stop request was cancelled")
        gate.set()

    stop = Fault(gate=gate, before=clock.overdue)
    faults = {"stop_canister": [stop], "start_canister": [Fault(before=start_cancels_the_stop)]}
    module = ScriptedModule(clock=clock, faults=faults)
    with pytest.raises(OperationFailedError) as caught:
        await run_upgrade_of(module, stop_timeout_seconds=60)
    assert clock.sleeps[0] == 60
    assert changing_calls(module) == ["stop", "start"]
    assert (caught.value.step, caught.value.runs_old_code) == ("stop", True)
    assert caught.value.report.facts.errors[0].code == "stop-timeout"


@pytest.mark.anyio
async def test_the_networks_own_time_limit_of_a_stop_is_the_same_failure():
    faults = {"stop_canister": [Fault(certified_reject("IC0206", "timed out"))]}
    with pytest.raises(OperationFailedError) as caught:
        await run_upgrade_of(ScriptedModule(faults=faults))
    assert caught.value.report.facts.errors[0].code == "stop-timeout"


@pytest.mark.anyio
async def test_a_stop_that_is_carried_out_after_the_start_is_undone_by_another():
    clock = PatientClock()
    gate = asyncio.Event()
    faults = {
        "stop_canister": [Fault(gate=gate, before=clock.overdue)],
        "start_canister": [Fault(before=gate.set)],
    }
    module = ScriptedModule(clock=clock, faults=faults)
    with pytest.raises(OperationFailedError):
        await run_upgrade_of(module)
    assert changing_calls(module) == ["stop", "start", "start"]
    assert module.run_status == "running"


@pytest.mark.anyio
async def test_after_an_unknown_stop_the_module_is_started_again_once_the_stop_has_expired():
    clock = PatientClock(600)
    expires_in_seconds = 100
    faults = {"stop_canister": [Fault(outcome_unknown(expires_in_seconds))]}
    module = ScriptedModule(clock=clock, faults=faults)
    with pytest.raises(OperationUnknownError) as caught:
        await run_upgrade_of(module)
    assert changing_calls(module) == ["stop", "start", "start"]
    assert clock.now_ns() > caught.value.expires_at_ns
    assert caught.value.request_id == b"\x01" * 32
    assert dict(steps_of(caught.value.report))["stop"] == "unknown"


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["certified reject", "uncertified reject", "not delivered"])
async def test_before_the_stop_an_error_is_reported_at_once(kind):
    module = ScriptedModule(faults={"upload_chunk": [FAULTS[kind]()]})
    with pytest.raises(JunoSnapError) as caught:
        await run_upgrade_of(module, LARGE)
    assert not isinstance(caught.value, OperationFailedError | OperationUnknownError)
    assert module.sent("stop_canister", "start_canister") == []


@pytest.mark.anyio
async def test_chunks_of_a_rejected_module_are_removed_and_those_of_a_temporary_refusal_stay():
    for kind, remains in (("certified reject", 0), ("temporary reject", len(LARGE.chunk_hashes))):
        module = ScriptedModule(faults={"install_chunked_code": [FAULTS[kind]()]})
        with pytest.raises(OperationFailedError):
            await run_upgrade_of(module, LARGE)
        assert len(module.chunks) == remains


@pytest.mark.anyio
async def test_code_that_somebody_else_installed_meanwhile_ends_the_run_before_the_stop():
    module = ScriptedModule()
    module.faults["upload_chunk"].append(
        Fault(before=lambda: setattr(module, "module_hash", b"\x05" * 32))
    )
    with pytest.raises(PreconditionError) as caught:
        await run_upgrade_of(module, LARGE)
    assert caught.value.code == "disturbed"
    assert module.sent("stop_canister") == []


@pytest.mark.anyio
async def test_other_code_than_ours_after_the_start_is_a_failure():
    module = ScriptedModule()
    module.faults["start_canister"].append(
        Fault(before=lambda: setattr(module, "module_hash", b"\x05" * 32))
    )
    with pytest.raises(OperationFailedError) as caught:
        await run_upgrade_of(module)
    assert caught.value.step == "verify"
    assert not caught.value.runs_old_code


@pytest.mark.anyio
async def test_a_module_left_stopped_on_request_is_not_started_by_a_failure_either():
    module = ScriptedModule(
        run_status="stopped", faults={"install_code": [FAULTS["certified reject"]()]}
    )
    with pytest.raises(OperationFailedError) as caught:
        await run_upgrade_of(module, found_stopped="leave-stopped")
    assert module.sent("start_canister") == []
    assert caught.value.runs_old_code
    assert caught.value.report.facts.module_status == "stopped"


@pytest.mark.anyio
async def test_a_refused_plan_sends_nothing():
    module = ScriptedModule(snapshots=snapshots(10))
    with pytest.raises(PreconditionError):
        await run_upgrade_of(module)
    assert changing_calls(module) == []


# Cancellation


async def cancelled_at(module, call, operation, *, gated=True):
    """Run ``operation`` and cancel it when ``call`` is sent; the call is answered afterwards."""
    gate = asyncio.Event()
    task = asyncio.ensure_future(operation)
    fault = Fault(before=task.cancel, gate=gate if gated else None)
    module.faults[call].insert(0, fault)
    for _ in range(50):
        await asyncio.sleep(0)
        if task.done():
            break
    gate.set()
    with pytest.raises(OperationCancelledError) as caught:
        await task
    return caught.value.report


@pytest.mark.anyio
@pytest.mark.parametrize("call", DOWN)
async def test_a_cancellation_takes_no_further_step_but_the_start(call):
    module = ScriptedModule()
    report = await cancelled_at(module, call, run_upgrade_of(module))
    sent = module.sent(*DOWN, "start_canister")
    place = DOWN.index(call) + 1
    assert sent[:place] == DOWN[:place]
    assert set(sent[place:]) == {"start_canister"}
    assert module.run_status == "running"
    assert report.outcome == "interrupted"
    assert report.facts.module_status == "running"
    assert report.facts.module_hash == module.module_hash
    step = {"stop_canister": "stop", "take_canister_snapshot": "snapshot"}.get(call, "install")
    assert dict(steps_of(report))[step] == "done"


@pytest.mark.anyio
async def test_a_cancellation_during_the_start_lets_it_end():
    module = ScriptedModule()
    report = await cancelled_at(module, "start_canister", run_upgrade_of(module))
    assert module.run_status == "running"
    assert (report.outcome, report.facts.module_hash) == ("interrupted", SMALL.sha256)


@pytest.mark.anyio
async def test_a_cancellation_before_the_stop_touches_nothing():
    module = ScriptedModule()
    report = await cancelled_at(module, "upload_chunk", run_upgrade_of(module, LARGE))
    assert module.sent("stop_canister", "start_canister") == []
    assert report.facts.module_hash == OLD_HASH


@pytest.mark.anyio
async def test_a_second_cancellation_leaves_with_the_start_sent():
    module = ScriptedModule()
    gate = asyncio.Event()
    task = asyncio.ensure_future(run_upgrade_of(module))
    module.faults["install_code"].append(Fault(before=task.cancel, gate=gate))
    module.faults["start_canister"].append(Fault(before=task.cancel, gate=gate))
    with pytest.raises(OperationCancelledError) as caught:
        await task
    assert module.sent("start_canister") == ["start_canister"]
    report = caught.value.report
    assert report.facts.module_status == "unknown"
    assert dict(steps_of(report))["install"] == "unknown"
    gate.set()
    await asyncio.sleep(0.01)
    assert module.run_status == "running"


# Restore and create


@pytest.mark.anyio
async def test_a_restore_saves_the_present_state_first():
    module = ScriptedModule(snapshots=snapshots(1))
    report = await restore_snapshot(module, MODULE, "latest", clock=module.clock)
    assert changing_calls(module) == [
        "stop", "take_canister_snapshot", "load_canister_snapshot", "start",
    ]  # fmt: skip
    assert report.outcome == "restored"
    assert module.data == "older"
    assert module.snapshots[report.safety_snapshot][2] == "old"
    assert report.versions_passed == 4


@pytest.mark.anyio
@pytest.mark.parametrize("found", ["running", "stopped"])
async def test_a_restore_leaves_the_module_as_it_was_found(found):
    module = ScriptedModule(snapshots=snapshots(1), run_status=found)
    report = await restore_snapshot(module, MODULE, "latest", clock=module.clock)
    assert module.run_status == report.facts.module_status == found
    assert ("stop" in changing_calls(module)) is (found == "running")


@pytest.mark.anyio
async def test_without_a_slot_for_the_safety_snapshot_a_restore_is_refused_unless_told():
    module = ScriptedModule(snapshots=snapshots(10))
    with pytest.raises(PreconditionError) as caught:
        await restore_snapshot(module, MODULE, "latest", clock=module.clock)
    assert "--discard-current" in caught.value.hint
    assert changing_calls(module) == []
    report = await restore_snapshot(
        module, MODULE, "latest", discard_current=True, clock=module.clock
    )
    assert report.safety_snapshot is None
    assert module.data == "older"


@pytest.mark.anyio
async def test_a_safety_snapshot_that_is_rejected_ends_the_restore_unless_told():
    faults = {"take_canister_snapshot": [Fault(certified_reject("IC0207", "out of cycles"))] * 2}
    module = ScriptedModule(snapshots=snapshots(1), faults=faults)
    with pytest.raises(OperationFailedError) as caught:
        await restore_snapshot(module, MODULE, "latest", clock=module.clock)
    assert (caught.value.step, caught.value.runs_old_code) == ("safety-snapshot", True)
    assert module.run_status == "running"
    report = await restore_snapshot(
        module, MODULE, "latest", discard_current=True, clock=module.clock
    )
    assert "was not saved" in report.facts.warnings[0]


@pytest.mark.anyio
async def test_a_snapshot_by_hand_replaces_what_was_named():
    module = ScriptedModule(snapshots=snapshots(10))
    with pytest.raises(PreconditionError) as caught:
        await create_snapshot(module, MODULE, clock=module.clock)
    assert "--replace ID|oldest" in caught.value.hint
    assert "snapshot delete" in caught.value.message
    report = await create_snapshot(module, MODULE, replace="oldest", clock=module.clock)
    assert report.replaced == (snapshots(1)[0].id,)
    assert changing_calls(module) == ["stop", "take_canister_snapshot", "start"]


@pytest.mark.anyio
async def test_a_snapshot_without_stopping_sends_one_call():
    module = ScriptedModule()
    report = await create_snapshot(module, MODULE, stop=False, clock=module.clock)
    assert changing_calls(module) == ["take_canister_snapshot"]
    assert report.facts.downtime_ms == 0


# The property


OPERATIONS = {
    "upgrade": run_upgrade_of,
    "upgrade through the chunk store": lambda module: run_upgrade_of(module, LARGE),
    "restore": lambda module: restore_snapshot(module, MODULE, "latest", clock=module.clock),
    "create": lambda module: create_snapshot(module, MODULE, clock=module.clock),
}
CALLS = [
    "canister_status", "upload_chunk", "stop_canister", "take_canister_snapshot", "install_code",
    "install_chunked_code", "load_canister_snapshot", "start_canister", "clear_chunk_store",
]  # fmt: skip


async def disturbed(operation, call, kind, later_call):
    module = ScriptedModule(snapshots=snapshots(1), clock=PatientClock(600))
    task = asyncio.ensure_future(OPERATIONS[operation](module))
    cancel = Fault(before=task.cancel)
    module.faults[call].append(cancel if kind == "cancelled" else FAULTS[kind]())
    if later_call is not None:
        module.faults[later_call].append(Fault(before=task.cancel))
    try:
        await task
    except (JunoSnapError, asyncio.CancelledError, ZeroDivisionError):
        return module, False
    return module, True


@settings(max_examples=300, deadline=None)
@given(
    operation=st.sampled_from(sorted(OPERATIONS)),
    call=st.sampled_from(CALLS),
    kind=st.sampled_from([*sorted(FAULTS), "cancelled"]),
    later_call=st.one_of(st.none(), st.sampled_from(["start_canister", "install_code"])),
)
def test_a_stop_that_was_sent_is_followed_by_a_start(operation, call, kind, later_call):
    async def run():
        module, _is_done = await disturbed(operation, call, kind, later_call)
        # A second cancellation leaves calls under way; they are carried out all the same.
        await asyncio.sleep(0.001)
        return module

    module = asyncio.run(run())
    sent = module.sent("stop_canister", "start_canister")
    if "stop_canister" in sent:
        assert sent[-1] == "start_canister"
        assert module.run_status == "running"
