import dataclasses
import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from juno_snap.errors import NotFoundError, PreconditionError
from juno_snap.pipeline.journal.records import OperationRecord, StepRecord
from juno_snap.pipeline.journal.schema import TABLES
from juno_snap.pipeline.journal.store import Journal
from juno_snap.version import __version__
from tests.unit.pipeline.journal_values import (
    CALLS,
    JSON,
    MODULE,
    NOTES,
    OBJECTS,
    OPERATIONS,
    OTHER_MODULE,
    ROOT_KEY,
    TEXTS,
    TIMES,
    call,
    note,
    operation,
    snapshot,
)

OTHER_KEY = b"another network"


@pytest.fixture(params=["file", "memory"])
def journal(request, tmp_path):
    with Journal.open(tmp_path) if request.param == "file" else Journal.in_memory() as opened:
        yield opened


def begun(journal, name="a", **changes):
    journal.begin(operation(name, **changes))
    return name


def step(journal, name, what="stop", **changes):
    return journal.begin_step(name, **{"name": what, "leg": "forward", "at_ns": 2, **changes})


def end(journal, name, number, **changes):
    said = {"state": "done", "at_ns": 3, "evidence": {}, **changes}
    return journal.end_step(name, number, **said)


def test_an_operation_comes_back_with_who_runs_it(journal):
    journal.begin(operation("a"))
    assert journal.operation("a") == OperationRecord(
        begun=operation("a"), host=socket.gethostname(), pid=os.getpid(), version=__version__
    )


def test_an_operation_is_begun_once(journal):
    journal.begin(operation("a"))
    with pytest.raises(PreconditionError, match="an operation a already") as caught:
        journal.begin(operation("a", kind="restore"))
    assert caught.value.code == "operation-exists"
    assert journal.operation("a").begun.kind == "upgrade"


def test_steps_stand_in_the_order_of_their_numbers_and_calls_in_that_of_writing(journal):
    name = begun(journal)
    first = step(journal, name, "stop", calls=[call("z"), call("a")])
    second = step(journal, name, "start", leg="back", seen={"version": 7})
    journal.add_calls(name, first.number, [call("m")])
    found = journal.operation(name).steps
    assert [(s.number, s.name, s.leg, s.state) for s in found] == [
        (1, "stop", "forward", "begun"),
        (2, "start", "back", "begun"),
    ]
    assert found[0].calls == (call("z"), call("a"), call("m"))
    assert found[1] == second
    assert found[1].seen == {"version": 7}


def test_the_envelope_goes_with_the_outcome_and_stays_while_it_is_open(journal):
    name = begun(journal)
    calls = [call("stop"), call("snapshot")]
    number = step(journal, name, calls=calls).number
    settled = dataclasses.replace(calls[0], state="replied", certified_at_ns=9)
    ended = end(journal, name, number, state="unknown", evidence={"x": [1]}, calls=[settled])
    assert ended == journal.operation(name).steps[0]
    assert ended.calls == (dataclasses.replace(settled, body=None), calls[1])
    assert (ended.state, ended.ended_at_ns, ended.evidence) == ("unknown", 3, {"x": [1]})
    assert ended.calls[0].prepared() is None
    assert ended.calls[1].prepared().body == calls[1].body


def test_a_step_may_be_ended_again_when_more_is_known(journal):
    name = begun(journal)
    number = step(journal, name, seen={"version": 3}, calls=[call()]).number
    end(journal, name, number, state="unknown", evidence={"error": "outcome-unknown"})
    settled = dataclasses.replace(call(), state="settled")
    end(journal, name, number, at_ns=8, evidence={"status": "stopped"}, calls=[settled])
    (found,) = journal.operation(name).steps
    assert found == StepRecord(
        number=1,
        name="stop",
        leg="forward",
        state="done",
        began_at_ns=2,
        ended_at_ns=8,
        seen={"version": 3},
        evidence={"status": "stopped"},
        calls=(dataclasses.replace(settled, body=None),),
    )


def test_no_envelope_is_left_of_a_finished_operation_and_others_keep_theirs(journal):
    for name in ("a", "b"):
        begun(journal, name)
        step(journal, name, calls=[call("x"), call("y")])
    journal.finish("a", outcome="failed", at_ns=5, report={"outcome": "failed"})
    record = journal.operation("a")
    assert (record.outcome, record.finished_at_ns) == ("failed", 5)
    assert record.report == {"outcome": "failed"}
    assert [c.body for c in record.steps[0].calls] == [None, None]
    assert [c.state for c in record.steps[0].calls] == ["open", "open"]
    assert journal.operation("b").steps[0].calls == (call("x"), call("y"))


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda j: j.operation("b"), id="operation"),
        pytest.param(lambda j: step(j, "b"), id="begin_step"),
        pytest.param(lambda j: j.add_calls("a", 2, [call()]), id="add_calls"),
        pytest.param(lambda j: end(j, "a", 2), id="end_step"),
        pytest.param(lambda j: end(j, "b", 1), id="end_step of another"),
        pytest.param(lambda j: j.finish("b", outcome="x", at_ns=1, report=None), id="finish"),
    ],
)
def test_what_was_not_begun_is_not_found(journal, verb):
    step(journal, begun(journal, "a"))
    before = journal.history()
    with pytest.raises(NotFoundError, match="the journal knows no"):
        verb(journal)
    assert journal.history() == before


def test_unfinished_operations_come_oldest_first_and_only_of_the_network_and_module(journal):
    begun(journal, "c")
    begun(journal, "a", module=OTHER_MODULE)
    begun(journal, "b")
    begun(journal, "other", root_key=OTHER_KEY)
    begun(journal, "done")
    journal.finish("done", outcome="upgraded", at_ns=1, report=None)
    step(journal, "b", calls=[call()])

    def names(*question):
        return [record.begun.id for record in journal.unfinished(*question)]

    assert names(ROOT_KEY) == ["c", "a", "b"]
    assert names(ROOT_KEY, MODULE) == ["c", "b"]
    assert names(OTHER_KEY, OTHER_MODULE) == []
    assert journal.unfinished(ROOT_KEY, MODULE)[1].steps[0].calls == (call(),)


def test_the_history_shows_the_newest_first(journal):
    for name in ("c", "a", "b"):
        begun(journal, name)
    begun(journal, "elsewhere", root_key=OTHER_KEY, module=OTHER_MODULE)

    def names(**question):
        return [record.begun.id for record in journal.history(**question)]

    assert names() == ["elsewhere", "b", "a", "c"]
    assert names(limit=2) == ["elsewhere", "b"]
    assert names(root_key=ROOT_KEY, limit=2) == ["b", "a"]
    assert names(module=OTHER_MODULE) == ["elsewhere"]


def test_what_unfinished_operations_keep_is_needed(journal):
    begun(journal, "a", kept=(b"1" * 32, b"2" * 32))
    begun(journal, "b", kept=(b"2" * 32,), root_key=OTHER_KEY)
    assert journal.needed() == {b"1" * 32, b"2" * 32}
    journal.finish("a", outcome="upgraded", at_ns=1, report=None)
    assert journal.needed() == {b"2" * 32}


def test_a_snapshot_of_a_step_is_known_with_how_its_operation_ended(journal):
    name = begun(journal)
    number = step(journal, name, "snapshot").number
    end(journal, name, number, notes=[note(operation=name, label="before 2.0")])
    known = journal.notes(ROOT_KEY, MODULE)
    assert known == {snapshot(): note(operation=name, label="before 2.0")}
    assert not known[snapshot()].is_scrap
    journal.finish(name, outcome="rolled-back", at_ns=77, report=None)
    found = journal.notes(ROOT_KEY, MODULE)[snapshot()]
    assert (found.operation_outcome, found.operation_finished_at_ns) == ("rolled-back", 77)
    assert found.is_scrap
    assert journal.notes(ROOT_KEY, OTHER_MODULE) == {}
    assert journal.notes(OTHER_KEY, MODULE) == {}


def test_what_a_note_leaves_out_stays_and_its_protection_holds(journal):
    journal.note(ROOT_KEY, MODULE, note(operation="a", label="old", is_protected=True))
    journal.note(ROOT_KEY, MODULE, note(purpose=None, label="new"))
    (found,) = journal.notes(ROOT_KEY, MODULE).values()
    assert found == note(operation="a", label="new", is_protected=False)
    journal.note(ROOT_KEY, MODULE, note(purpose="safety", is_protected=True))
    (found,) = journal.notes(ROOT_KEY, MODULE).values()
    assert found == note(purpose="safety", operation="a", label="new", is_protected=True)


def test_a_snapshot_of_somebody_else_can_have_a_label(journal):
    journal.note(ROOT_KEY, MODULE, note(purpose=None, label="theirs"))
    (found,) = journal.notes(ROOT_KEY, MODULE).values()
    assert found == note(purpose=None, label="theirs")
    assert not found.is_scrap


def test_a_label_names_one_snapshot_of_a_module(journal):
    journal.note(ROOT_KEY, MODULE, note(1, label="gold"))
    journal.note(ROOT_KEY, MODULE, note(1, label="gold"))
    journal.note(ROOT_KEY, OTHER_MODULE, note(2, label="gold"))
    with pytest.raises(PreconditionError, match=str(snapshot(1))) as caught:
        journal.note(ROOT_KEY, MODULE, note(3, label="gold"))
    assert caught.value.code == "label-taken"
    assert set(journal.notes(ROOT_KEY, MODULE)) == {snapshot(1)}


def test_what_has_happened_is_not_refused_for_its_label(journal):
    journal.note(ROOT_KEY, MODULE, note(1, label="gold", is_protected=True))
    number = step(journal, begun(journal), "snapshot").number
    end(journal, "a", number, notes=[note(2), note(3, label="gold")])
    known = journal.notes(ROOT_KEY, MODULE)
    assert known == {
        snapshot(1): note(1, is_protected=True),
        snapshot(2): note(2),
        snapshot(3): note(3, label="gold"),
    }


def test_a_step_ends_whole_or_not_at_all(journal):
    number = step(journal, begun(journal), calls=[call()]).number
    settled = dataclasses.replace(call(), state="replied")
    bad = note(2, label=object())
    with pytest.raises(Exception, match="object"):
        end(journal, "a", number, calls=[settled], notes=[note(1), bad])
    (found,) = journal.operation("a").steps
    assert (found.state, found.calls) == ("begun", (call(),))
    assert journal.notes(ROOT_KEY, MODULE) == {}


def test_snapshots_that_are_gone_are_forgotten_and_their_labels_free(journal):
    for number in (1, 2, 3):
        journal.note(ROOT_KEY, MODULE, note(number, label=f"label {number}"))
    journal.note(ROOT_KEY, OTHER_MODULE, note(1))
    journal.forget_absent(ROOT_KEY, MODULE, [snapshot(2), snapshot(9)])
    assert set(journal.notes(ROOT_KEY, MODULE)) == {snapshot(2)}
    assert set(journal.notes(ROOT_KEY, OTHER_MODULE)) == {snapshot(1)}
    journal.note(ROOT_KEY, MODULE, note(4, label="label 1"))
    journal.forget_absent(ROOT_KEY, MODULE, [])
    assert journal.notes(ROOT_KEY, MODULE) == {}


@settings(max_examples=60, deadline=None)
@given(
    new=OPERATIONS,
    calls=st.lists(CALLS, max_size=3, unique_by=lambda drawn: drawn.request_id),
    seen=OBJECTS,
    evidence=OBJECTS,
    notes=st.lists(
        NOTES,
        max_size=3,
        unique_by=(lambda n: n.id, lambda n: n.id if n.label is None else n.label),
    ),
    report=st.none() | OBJECTS,
    outcome=TEXTS,
    at_ns=TIMES,
)
def test_everything_comes_back_as_it_was_written(
    new, calls, seen, evidence, notes, report, outcome, at_ns
):
    with Journal.in_memory() as journal:
        journal.begin(new)
        written = journal.begin_step(
            new.id, name="x", leg="back", at_ns=at_ns, seen=seen, calls=calls
        )
        assert written.calls == tuple(calls)
        assert written.seen == seen
        assert journal.operation(new.id).begun == new
        assert journal.operation(new.id).steps == (written,)
        ended = journal.end_step(
            new.id, 1, state="failed", at_ns=at_ns, evidence=evidence, notes=notes
        )
        assert ended.evidence == evidence
        assert journal.operation(new.id).steps == (ended,)
        assert journal.notes(new.root_key, new.module) == {n.id: n for n in notes}
        journal.finish(new.id, outcome=outcome, at_ns=at_ns, report=report)
        bare = tuple(dataclasses.replace(c, body=None) for c in calls)
        assert journal.history() == (
            OperationRecord(
                begun=new,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=__version__,
                steps=(dataclasses.replace(ended, calls=bare),),
                finished_at_ns=at_ns,
                outcome=outcome,
                report=report,
            ),
        )


@given(value=JSON)
def test_true_and_one_are_told_apart(value):
    with Journal.in_memory() as journal:
        journal.begin(operation("a", program={"value": value}))
        (found,) = journal.operation("a").begun.program.values()
    assert repr(found) == repr(value)


def test_the_tables_can_be_made_on_postgresql():
    made = [str(CreateTable(t).compile(dialect=postgresql.dialect())) for t in TABLES.sorted_tables]
    text = "\n".join(made)
    assert "BYTEA" in text
    assert "began_at_ns BIGINT NOT NULL" in text
    assert "is_protected BOOLEAN NOT NULL" in text
    assert len(made) == 6
