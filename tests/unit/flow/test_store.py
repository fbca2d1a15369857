import sqlite3

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from juno_snap.errors import JunoSnapError, NotFoundError, PreconditionError
from juno_snap.flow import FLOWS_FILE
from juno_snap.flow.edits import CHANGES_KEPT, Expected
from juno_snap.flow.model import NewUnit, TakenOverError, Write
from juno_snap.flow.schema import STEP_SNAPSHOTS, TABLES
from juno_snap.flow.store import FlowStore, UnitEnd
from tests.unit.flow.flow_values import EDITOR, bodies, new_run, snapshot

INSERT = (
    "INSERT INTO step_snapshots (flow, step, epoch, sequence, body, updated_at_ns, checksum) "
    "VALUES ('f', 'a', 1, 1, ?, 0, 0)"
)


@pytest.fixture
def store(tmp_path):
    with FlowStore.open(tmp_path) as opened:
        yield opened


def begun(store, **said):
    claim, _ = store.begin(new_run(**said))
    return claim


@pytest.mark.proves("A12", "B28")
def test_two_writes_leave_one_row_and_flows_are_apart(store):
    one, other = begun(store), begun(store, name="g")
    store.write(one, snapshot("a", "1", 1), at_ns=2)
    store.write(one, snapshot("a", "2", 2), at_ns=3)
    store.write(other, snapshot("a", "3", 1), at_ns=3)
    assert (bodies(store), bodies(store, "g")) == ({"a": "2"}, {"a": "3"})


@pytest.mark.proves("A12")
def test_flow_and_step_are_the_primary_key():
    assert [column.name for column in STEP_SNAPSHOTS.primary_key] == ["flow", "step"]


@pytest.mark.parametrize("sequence", [1, 2])
@pytest.mark.proves("B7")
def test_an_older_value_that_comes_late_changes_nothing(store, sequence):
    claim = begun(store)
    store.write(claim, snapshot("a", '"new"', 2), at_ns=2)
    assert store.write(claim, snapshot("a", '"late"', sequence), at_ns=3)
    assert bodies(store) == {"a": '"new"'}


def test_a_run_that_was_taken_over_writes_nothing(store):
    old = begun(store)
    (unit,) = store.units(old.run, "a")
    begun(store)
    assert not store.write(old, snapshot("a", "1", 9), at_ns=2)
    assert bodies(store) == {}
    for act in (
        lambda: store.begin_unit(old, unit),
        lambda: store.end_unit(old, UnitEnd(unit=unit, state="done"), at_ns=2),
        lambda: store.finish(old, "done", at_ns=2, error=None),
    ):
        with pytest.raises(TakenOverError):
            act()
    assert store.is_asked_to_stop(old)


def test_a_value_from_before_a_reset_changes_nothing(store):
    claim = begun(store)
    store.write(claim, snapshot("a", "1", 1), at_ns=2)
    assert store.reset("f", None, EDITOR) == ("a",)
    assert not store.write(claim, snapshot("a", "2", 2), at_ns=3)
    assert bodies(store) == {}


@pytest.mark.parametrize(
    ("body", "is_kept"),
    [
        pytest.param("x" * 5120, True, id="5120 bytes"),
        pytest.param("x" * 5121, False, id="5121 bytes"),
        pytest.param("😀" * 1280, True, id="5120 bytes of UTF-8"),
        pytest.param("😀" * 1281, False, id="1281 characters of four bytes"),
    ],
)
@pytest.mark.proves("A13")
def test_the_database_refuses_what_is_too_large(tmp_path, body, is_kept):
    with FlowStore.open(tmp_path) as store:
        begun(store)
    connection = sqlite3.connect(tmp_path / FLOWS_FILE)
    try:
        if is_kept:
            connection.execute(INSERT, [body])
        else:
            with pytest.raises(sqlite3.IntegrityError, match="body_size"):
                connection.execute(INSERT, [body])
    finally:
        connection.close()


def test_the_tables_can_be_made_in_postgresql():
    said = [
        str(CreateTable(each).compile(dialect=postgresql.dialect()))
        for each in TABLES.sorted_tables
    ]
    assert sum("octet_length(body) <= 5120" in each for each in said) == 1
    assert not any("BLOB" in each for each in said)


def test_marker_data_and_end_are_written_together(store):
    claim = begun(store)
    unit = store.begin_unit(claim, store.units(claim.run, "a")[0])
    units = [("b", NewUnit(message="1")), ("b", NewUnit(message="2"))]
    end = UnitEnd(unit=unit, state="done")
    store.end_unit(claim, end, [Write(step="a", body="7", sequence=1, units=units)], at_ns=2)
    assert [each.message for each in store.units(claim.run, "b")] == ["1", "2"]
    assert store.units(claim.run, "a", is_open=True) == ()
    assert bodies(store) == {"a": "7"}


def test_a_message_about_an_item_is_taken_once_in_a_run(store):
    claim = begun(store)
    twice = [("b", NewUnit(message=str(n), item="rrkah")) for n in (1, 2)]
    store.write(claim, [Write(step="a", body=None, sequence=0, units=twice)], at_ns=1)
    (unit,) = store.units(claim.run, "b")
    assert (unit.item, unit.message) == ("rrkah", "1")


@pytest.mark.proves("A1", "B3")
def test_what_was_changed_by_hand_can_be_taken_back(store):
    claim = begun(store)
    store.write(claim, snapshot("a", '"good"', 1), at_ns=2)
    store.set_snapshot("f", "a", '"bad"', EDITOR)
    assert store.undo("f", "a", EDITOR) == ("a",)
    assert bodies(store) == {"a": '"good"'}
    assert store.undo("f", None, EDITOR) == ("a",)
    assert bodies(store) == {"a": '"bad"'}


def test_a_reset_of_a_flow_is_taken_back_as_a_whole(store):
    claim = begun(store)
    store.write(claim, [*snapshot("a", "1", 1), *snapshot("b", "2", 1)], at_ns=2)
    assert store.reset("f", None, EDITOR) == ("a", "b")
    assert bodies(store) == {}
    assert store.undo("f", None, EDITOR) == ("a", "b")
    assert bodies(store) == {"a": "1", "b": "2"}


def test_a_reset_of_one_step_leaves_the_others(store):
    claim = begun(store)
    store.write(claim, [*snapshot("a", "1", 1), *snapshot("b", "2", 1)], at_ns=2)
    store.reset("f", "b", EDITOR)
    assert bodies(store) == {"a": "1"}


def test_so_many_changes_are_kept(store):
    begun(store)
    for number in range(CHANGES_KEPT + 5):
        store.set_snapshot("f", "a", str(number), EDITOR)
    connection = sqlite3.connect(store._database.place)
    try:
        (count,) = connection.execute("SELECT count(*) FROM changes").fetchone()
    finally:
        connection.close()
    assert count == CHANGES_KEPT


@pytest.mark.parametrize(
    ("act", "error", "code"),
    [
        (lambda s: s.set_snapshot("g", "a", "1", EDITOR), NotFoundError, "no-such-flow"),
        (lambda s: s.set_snapshot("f", "z", "1", EDITOR), NotFoundError, "no-such-step"),
        (lambda s: s.reset("f", "z", EDITOR), NotFoundError, "no-such-step"),
        (lambda s: s.undo("f", None, EDITOR), NotFoundError, "nothing-to-undo"),
        (
            lambda s: s.set_snapshot("f", "b", "1", EDITOR, Expected(exists=True)),
            NotFoundError,
            "no-step-snapshot",
        ),
        (
            lambda s: s.set_snapshot("f", "a", "1", EDITOR, Expected(exists=False)),
            PreconditionError,
            "step-snapshot-exists",
        ),
        (
            lambda s: s.reset("f", "a", EDITOR, Expected(versions=("1.0",))),
            PreconditionError,
            "step-snapshot-stale",
        ),
    ],
)
def test_what_cannot_be_changed_is_refused_and_left(store, act, error, code):
    store.write(begun(store), snapshot("a", "1", 1), at_ns=2)
    before = store.snapshots("f")
    with pytest.raises(error) as refused:
        act(store)
    assert refused.value.code == code
    assert store.snapshots("f") == before


def test_a_change_to_the_version_that_was_read_is_made(store):
    store.write(begun(store), snapshot("a", "1", 1), at_ns=2)
    version = store.snapshot("f", "a").version
    changed = store.set_snapshot("f", "a", "2", EDITOR, Expected(exists=True, versions=(version,)))
    assert changed.version != version


def test_a_step_that_is_gone_and_holds_something_is_not_dropped_unsaid(store):
    store.write(begun(store), snapshot("b", "1", 1), at_ns=2)
    for steps in (("a",), ("a", "c")):
        with pytest.raises(PreconditionError) as refused:
            store.begin(new_run(steps=steps))
        assert refused.value.code == "step-dropped"
    assert bodies(store) == {"b": "1"}
    store.begin(new_run(steps=("a", "c"), drops=True))
    assert bodies(store) == {}


def test_unfinished_work_of_a_step_that_is_gone_is_not_dropped_unsaid(store):
    claim = begun(store)
    units = [("b", NewUnit(message="1"))]
    store.write(claim, [Write(step="a", body=None, sequence=0, units=units)], at_ns=1)
    with pytest.raises(PreconditionError) as refused:
        store.begin(new_run(steps=("a",)))
    assert refused.value.code == "step-dropped"
    store.begin(new_run(steps=("a",), drops=True))
    assert store.units(claim.run, "b") == ()


def change(path, statement):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE flow_format SET version = 2", "flows-file-newer"),
        ("UPDATE step_snapshots SET body = '2'", "flows-file-damaged"),
        ("DELETE FROM flow_format", "flows-file-damaged"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path, statement, code):
    with FlowStore.open(tmp_path) as store:
        store.write(begun(store), snapshot("a", "1", 1), at_ns=2)
    change(tmp_path / FLOWS_FILE, statement)

    def read():
        with FlowStore.open(tmp_path) as store:
            store.snapshots("f")

    with pytest.raises(JunoSnapError) as refused:
        read()
    assert refused.value.code == code
    assert str(tmp_path) in refused.value.message
