"""A signed call can be sent by whoever has it: it is sealed, and its key goes with the outcome."""

import contextlib
import dataclasses
import signal
import sqlite3
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.database.rows import BrokenRowError
from juno_snap.errors import PreconditionError
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.envelopes import KEY_BYTES, seal, unseal
from juno_snap.pipeline.journal.store import Journal
from tests.chance import Chance
from tests.unit.pipeline.journal_child import start
from tests.unit.pipeline.journal_values import call, operation

SECRET = b"the signed envelope "
SECURE = 1
LARGE = SECRET * 5000


def contents(directory):
    """Every byte of the journal's files."""
    return b"".join(path.read_bytes() for path in directory.iterdir() if path.is_file())


def asked(directory, question):
    """What another program reads in the file."""
    with contextlib.closing(sqlite3.connect(directory / JOURNAL_FILE)) as file:
        return [value for (value,) in file.execute(question)]


def keys(directory):
    return asked(directory, "SELECT key FROM calls WHERE key IS NOT NULL")


def sealed(directory):
    return asked(directory, "SELECT sealed FROM envelopes")


def begin(journal, *calls, name="a"):
    journal.begin(operation(name))
    return journal.begin_step(name, name="x", leg="forward", at_ns=2, calls=calls).number


def end(journal, number, *calls, state="done"):
    return journal.end_step("a", number, state=state, at_ns=3, evidence={}, calls=calls)


def replied(signed):
    return dataclasses.replace(signed, state="replied")


@given(body=st.binary(max_size=100), request_id=st.binary(min_size=32, max_size=32))
def test_what_is_sealed_comes_back_for_its_call_only(body, request_id):
    key, bytes_sealed = seal(body, request_id)
    assert unseal(bytes_sealed, key, request_id) == body
    assert len(key) == KEY_BYTES
    for other in ((bytes_sealed, key, b"another"), (bytes_sealed, bytes(KEY_BYTES), request_id)):
        with pytest.raises(BrokenRowError):
            unseal(*other)


def test_each_envelope_has_a_key_of_its_own(tmp_path):
    with Journal.open(tmp_path) as journal:
        begin(journal, *(call(f"call {n}") for n in range(20)))
        assert len(set(keys(tmp_path))) == len(set(sealed(tmp_path))) == 20


def test_an_open_envelope_stands_sealed_beside_its_key(tmp_path):
    with Journal.open(tmp_path) as journal:
        begin(journal, call(body=LARGE))
        (key,), (found,) = keys(tmp_path), sealed(tmp_path)
        assert (len(key), len(found)) == (KEY_BYTES, len(LARGE) + 16)
        assert key in contents(tmp_path)
        assert SECRET not in contents(tmp_path)
    with Journal.open(tmp_path) as journal:
        assert journal.operation("a").steps[0].calls == (call(body=LARGE),)


def test_no_key_is_left_after_the_outcome(tmp_path):
    calls = [call(f"call {n}", body=SECRET * (100 * 10**n)) for n in range(4)]
    with Journal.open(tmp_path) as journal:
        number = begin(journal, *calls)
        found = keys(tmp_path)
        end(journal, number, *map(replied, calls))
        assert sealed(tmp_path) == []
    assert len(found) == 4
    assert [key for key in found if key in contents(tmp_path)] == []


def test_no_key_is_left_when_its_operation_is_finished(tmp_path):
    with Journal.open(tmp_path) as journal, Journal.open(tmp_path) as reader:
        begin(journal, call(body=LARGE), call("other"))
        found = keys(tmp_path)
        assert reader.operation("a").outcome is None
        journal.finish("a", outcome="unknown", at_ns=3, report=None)
        assert [key for key in found if key in contents(tmp_path)] == []
        assert sealed(tmp_path) == []
        assert reader.operation("a").outcome == "unknown"
    assert len(found) == 2


def test_no_key_is_left_where_rows_have_moved_between_pages(tmp_path):
    chance, found = Chance(6), set()
    calls = [call(f"call {n}", body=SECRET * (1 + n % 40)) for n in range(400)]
    with Journal.open(tmp_path) as journal:
        number = begin(journal, *calls[:200])
        journal.add_calls("a", number, calls[200:])
        found |= set(keys(tmp_path))
        while calls:
            some = [calls.pop(chance.below(len(calls))) for _ in range(40)]
            end(journal, number, *map(replied, some))
            assert len(sealed(tmp_path)) == len(keys(tmp_path)) == len(calls)
    assert len(found) == 400
    left = contents(tmp_path)
    assert [key for key in found if key in left] == []


def test_a_call_that_stays_open_is_sealed_anew(tmp_path):
    with Journal.open(tmp_path) as journal:
        number = begin(journal, call(body=LARGE))
        (first,) = keys(tmp_path)
        assert end(journal, number, call(body=LARGE), state="unknown").calls == (call(body=LARGE),)
        (second,) = keys(tmp_path)
        assert len(sealed(tmp_path)) == 1
        end(journal, number, replied(call(body=LARGE)))
    assert first != second
    assert [key for key in (first, second) if key in contents(tmp_path)] == []


def test_what_else_is_removed_is_still_overwritten(tmp_path):
    with Journal.open(tmp_path) as journal:
        number = begin(journal, call())
        end(journal, number, replied(call()))
        assert journal._database._pragma("secure_delete") == SECURE
        begin(journal, call(), name="b")
        journal.finish("b", outcome="failed", at_ns=4, report=None)
        assert journal._database._pragma("secure_delete") == SECURE


def test_large_calls_one_after_the_other_take_the_room_of_one(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.begin(operation("a"))
        for number in range(12):
            signed = call(f"call {number}", body=LARGE)
            step = journal.begin_step("a", name="x", leg="forward", at_ns=2, calls=[signed])
            end(journal, step.number, replied(signed))
    assert (tmp_path / JOURNAL_FILE).stat().st_size < 5 * len(LARGE)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param("UPDATE envelopes SET sealed = x'00' || substr(sealed, 2)", id="changed"),
        pytest.param("UPDATE envelopes SET sealed = substr(sealed, 1, 9)", id="cut"),
        pytest.param("UPDATE envelopes SET sealed = 7", id="of another type"),
        pytest.param("UPDATE envelopes SET sealed = 'text'", id="text"),
        pytest.param("DELETE FROM envelopes", id="gone"),
        pytest.param("UPDATE calls SET key = zeroblob(32)", id="under another key"),
        pytest.param("UPDATE calls SET key = NULL", id="without its key"),
    ],
)
def test_an_envelope_that_was_changed_is_not_given_out(tmp_path, harm):
    with Journal.open(tmp_path) as journal:
        begin(journal, call(body=LARGE))
        begin(journal, name="b")
    with contextlib.closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as file, file:
        file.execute(harm)
    with Journal.open(tmp_path) as journal:
        with pytest.raises(PreconditionError, match=JOURNAL_FILE) as caught:
            journal.operation("a")
        assert caught.value.code == "journal-damaged"
        assert journal.operation("b").outcome is None


def test_a_process_that_is_killed_leaves_the_whole_intent_or_nothing_of_it(tmp_path):
    chance, found = Chance(7), set()
    for turn in range(6):
        directory = tmp_path / str(turn)
        with start("write_large_steps", directory) as child:
            for _ in range(1 + turn):
                assert child.stdout.readline() == '"ended"\n'
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(chance.below(20) / 1000)
            child.send_signal(signal.SIGKILL)
        with Journal.open(directory) as journal:
            steps = journal.operation("a").steps
            found.add(len(steps))
            assert len(steps) > turn
            assert all(len(step.calls) == 1 for step in steps)
            bodies = [c.body for step in steps for c in step.calls if c.state == "open"]
            assert None not in bodies
            assert len(sealed(directory)) == len(keys(directory)) == len(bodies) <= 1
    assert len(found) > 1
