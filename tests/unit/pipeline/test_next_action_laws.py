"""What holds of every operation, whatever becomes of its calls and whenever its process dies.

The laws about single steps are asked by the model itself, when the step is taken: nothing that
changes the module while a call is open, no install without the state before it saved, no load that
destroys what others wrote.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.program import Save
from tests.unit.pipeline.operation_model import LawBrokenError, Model
from tests.unit.pipeline.programs import (
    LOADED_HASH,
    NEW_HASH,
    before,
    create_program,
    install_change,
    restore_program,
    upgrade_program,
)
from tests.unit.pipeline.values import OLD_HASH, snapshot_id

CHECKS = (parse_check('ok() == ("yes")'),)
STOPPED = before(status="stopped")
CHUNKED = install_change(is_chunked=True, clears_first=True, clears_last=True)
PROGRAMS = {
    "upgrade": upgrade_program(),
    "upgrade with checks": upgrade_program(checks=CHECKS),
    "upgrade through the chunk store": upgrade_program(
        change=CHUNKED, checks=CHECKS, save=Save(purpose="upgrade", replaced=snapshot_id(0))
    ),
    "reset": upgrade_program(
        change=install_change(is_reset=True), configuration=b"\x0d" * 32, checks=CHECKS
    ),
    "upgrade without a snapshot": upgrade_program(save=None, goes_back=False, checks=CHECKS),
    "upgrade --no-stop": upgrade_program(sends_stop=False, sends_start=False, goes_back=False),
    "upgrade --leave-stopped": upgrade_program(before=STOPPED, sends_start=False, goes_back=False),
    "upgrade --start": upgrade_program(before=STOPPED, checks=CHECKS),
    "upgrade --start --no-stop": upgrade_program(before=STOPPED, sends_stop=False, goes_back=False),
    "restore": restore_program(),
    "restore --discard-current": restore_program(save=Save(purpose="safety", is_optional=True)),
    "restore of a stopped module": restore_program(
        sends_stop=False, sends_start=False, before=STOPPED
    ),
    "rollback of a stopped module": restore_program(
        kind="rollback", sends_stop=False, before=STOPPED
    ),
    "snapshot": create_program(),
    "snapshot --no-stop": create_program(sends_stop=False, sends_start=False),
}
FATES = [
    "done", "rejected", "temporary", "unsent", "answer-lost", "late", "lost", "slow",
    "crash-early", "crash-sent", "crash-unsent", "crash-late", "halt", "halt-late", "halt-early",
]  # fmt: skip
FOR_EVER = ["done", "rejected", "temporary", "unsent", "answer-lost", "late", "lost", "slow"]
TAPES = st.lists(
    st.tuples(
        st.sampled_from(["done", *FATES]),
        st.booleans(),
        st.sampled_from(["", "", "", "write", "write", "start"]),
    ),
    max_size=25,
)


def check_snapshots(model):
    """One way back and one safety snapshot at most are left behind."""
    assert len(model.network.left("snapshot")) <= 1
    assert len(model.network.left("safety-snapshot")) <= 1


def check_runs(model):
    """It serves if it did, or if it was to serve after what was done to it."""
    program = model.program
    progress = model.progress
    is_to_run = program.sends_start and (progress.stop_was_sent or progress.is_changed)
    was_left = program.before.status == "running" and not progress.stop_was_sent
    assert model.network.status == "running" or not (is_to_run or was_left)


def check_outcome(model, outcome):
    """The module is what the outcome says."""
    network = model.network
    writes = [entry for entry in network.data if entry.startswith("write")]
    has_all = writes == [f"write {number}" for number in range(1, network.writes + 1)]
    match outcome:
        case "upgraded":
            assert network.code == NEW_HASH
            assert "migrated" in network.data
            assert has_all
        case "rolled-back":
            assert network.code == OLD_HASH
            assert "migrated" not in network.data
        case "restored":
            assert network.code == LOADED_HASH
        case "taken":
            assert network.taken
    if model.program.kind == "snapshot":
        assert has_all


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=40, deadline=None)
@given(
    tape=TAPES,
    then=st.sampled_from(FOR_EVER),
    resume_wish=st.sampled_from(["forward", "forward", "back"]),
)
def test_whatever_happens_nothing_is_lost_or_left_down(name, tape, then, resume_wish):
    model = Model(PROGRAMS[name], tape, then=then, resume_wish=resume_wish)
    finish = model.run()
    model.network.let_late_calls_come(model.now_ns)
    if finish is not None and finish.closes:
        check_snapshots(model)
        check_runs(model)
        check_outcome(model, finish.outcome)


@pytest.mark.parametrize("name", PROGRAMS)
def test_when_nothing_happens_it_is_done_as_planned(name):
    model = Model(PROGRAMS[name], [])
    finish = model.run()
    assert finish.outcome in {"upgraded", "restored", "taken"}
    assert finish.closes
    check_outcome(model, finish.outcome)


@pytest.mark.parametrize("fate", ["crash-early", "crash-sent", "crash-unsent", "crash-late"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_killed_once_anywhere_it_is_brought_to_a_good_end(name, fate):
    undisturbed = Model(PROGRAMS[name], [])
    undisturbed.run()
    for place in range(len(undisturbed.actions) - 1):
        model = Model(PROGRAMS[name], [("done", False, "")] * place + [(fate, False, "")])
        finish = model.run()
        assert finish.outcome in {"upgraded", "restored", "taken"}
        check_snapshots(model)
        check_runs(model)
        check_outcome(model, finish.outcome)


def test_the_model_notices_what_it_is_there_for():
    """An install without the snapshot before it, told by hand."""
    model = Model(upgrade_program(), [])
    with pytest.raises(LawBrokenError, match="without a snapshot"):
        model.take_step("install")
