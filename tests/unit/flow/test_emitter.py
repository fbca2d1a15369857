import threading
import time

import pytest

from juno_snap.errors import InputError, PreconditionError
from juno_snap.flow.emitter import FLUSH_SECONDS, Emitter, Outbox
from juno_snap.flow.model import (
    SNAPSHOT_WARN_BYTES,
    NewUnit,
    SnapshotTooLargeError,
    TakenOverError,
)
from juno_snap.flow.store import FlowStore
from tests.unit.flow.flow_values import bodies, new_run

PATIENCE_SECONDS = 10


@pytest.fixture
def store(tmp_path):
    with FlowStore.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def emitter(store, warnings):
    claim, _ = store.begin(new_run())
    made = Emitter(store, claim, now_ns=lambda: 5, warn=warnings.append)
    made.open_step("a", None)
    yield made
    made.close()


def becomes(ask, expected):
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while ask() != expected and time.monotonic() < deadline:
        pause.wait(0.005)
    return ask() == expected


@pytest.mark.proves("A10", "B10")
def test_an_emit_returns_before_the_row_is_there_and_it_comes_by_itself(store, emitter):
    with store._lock:  # nobody can write meanwhile
        emitter.emit("a", 1, Outbox())
    assert becomes(lambda: bodies(store), {"a": "1"})


def test_the_promise_of_50_ms_leaves_time_for_the_write():
    assert FLUSH_SECONDS < 0.05


def test_many_emits_become_few_writes_and_the_last_one_stands(store, emitter):
    for number in range(5000):
        emitter.emit("a", number, Outbox())
    emitter.flush()
    assert bodies(store) == {"a": "4999"}
    assert emitter.writes < 500


@pytest.mark.proves("B2")
def test_what_is_changed_after_the_emit_is_not_stored(store, emitter):
    value = {"list": [1]}
    emitter.emit("a", value, Outbox())
    value["list"].append(2)
    emitter.value("a")["list"].append(3)
    emitter.flush()
    assert bodies(store) == {"a": '{"list":[1]}'}


@pytest.mark.proves("B33")
def test_an_emit_replaces_and_an_update_merges_the_whole(store, emitter):
    emitter.emit("a", {"x": 1, "y": {"p": 1, "q": 2}}, Outbox())
    emitter.update("a", {"y": {"p": 9}, "z": None}, Outbox())
    emitter.flush()
    assert bodies(store) == {"a": '{"x":1,"y":{"p":9},"z":null}'}
    emitter.emit("a", {"only": 1}, Outbox())
    emitter.flush()
    assert bodies(store) == {"a": '{"only":1}'}


def test_the_first_update_begins_with_an_empty_object(emitter):
    emitter.update("a", {"x": 1}, Outbox())
    assert emitter.value("a") == {"x": 1}


@pytest.mark.parametrize("partial", ["text", 1, None, [1], {"$set": {"x": 1}}])
def test_an_update_that_is_none_is_refused_and_the_old_value_kept(emitter, partial):
    emitter.emit("a", {"x": 1}, Outbox())
    with pytest.raises(InputError):
        emitter.update("a", partial, Outbox())
    assert emitter.value("a") == {"x": 1}


def test_nothing_is_merged_into_text(emitter):
    emitter.emit("a", "2017-01-01", Outbox())
    with pytest.raises(InputError, match="no object"):
        emitter.update("a", {"x": 1}, Outbox())
    assert emitter.value("a") == "2017-01-01"


@pytest.mark.parametrize("act", ["emit", "update"])
def test_one_that_is_too_large_leaves_the_old_one(store, emitter, act):
    emitter.emit("a", {"x": 1}, Outbox())
    with pytest.raises(SnapshotTooLargeError):
        getattr(emitter, act)("a", {"y": "z" * 5200}, Outbox())
    emitter.flush()
    assert bodies(store) == {"a": '{"x":1}'}


@pytest.mark.proves("A14", "B13")
def test_it_warns_once_from_80_percent_of_the_limit(emitter, warnings):
    emitter.emit("a", "x" * (SNAPSHOT_WARN_BYTES - 3), Outbox())
    assert warnings == []
    for letter in "xy":
        emitter.emit("a", letter * (SNAPSHOT_WARN_BYTES - 2), Outbox())
    (warning,) = warnings
    assert "4096 of 5120" in warning


def test_parallel_updates_lose_nothing(emitter):
    def add(name):
        for number in range(200):
            emitter.update("a", {f"{name}{number % 10}": number}, Outbox())

    threads = [threading.Thread(target=add, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(emitter.value("a")) == 40


def test_data_wait_for_the_next_snapshot(store, emitter):
    outbox = Outbox()
    run = store.runs("f")[0].id
    outbox.waiting.append(("b", NewUnit(message="1")))
    emitter.flush()
    assert store.units(run, "b") == ()
    emitter.emit("a", 1, outbox)
    outbox.waiting.append(("b", NewUnit(message="2")))
    emitter.flush()
    assert [unit.message for unit in store.units(run, "b")] == ["1"]


def test_closing_writes_what_is_left_and_takes_nothing_more(store, emitter):
    emitter.emit("a", 1, Outbox())
    emitter.close()
    assert bodies(store) == {"a": "1"}
    with pytest.raises(TakenOverError):
        emitter.emit("a", 2, Outbox())
    emitter.close()
    assert bodies(store) == {"a": "1"}


def test_a_run_that_was_taken_over_is_told_so(store, emitter):
    emitter.emit("a", 1, Outbox())
    emitter.flush()
    store.begin(new_run())
    emitter.emit("a", 2, Outbox())
    with pytest.raises(TakenOverError):
        emitter.flush()
    with pytest.raises(TakenOverError):
        emitter.emit("a", 3, Outbox())
    assert bodies(store) == {"a": "1"}


class Failing:
    """A sink that refuses so often, then keeps."""

    def __init__(self, times):
        self.times = times
        self.kept = []

    def write(self, _claim, writes, *, at_ns):
        if self.times:
            self.times -= 1
            raise PreconditionError("no room", code="flows-file-full")
        self.kept += writes
        return True


def test_what_could_not_be_written_is_kept_for_the_next_time(store):
    claim, _ = store.begin(new_run())
    sink = Failing(times=1)
    emitter = Emitter(sink, claim, now_ns=lambda: 5, warn=print)
    emitter.open_step("a", None)
    outbox = Outbox(waiting=[("b", NewUnit(message="1"))])
    with emitter._writing:  # the thread must not be quicker
        emitter.emit("a", 7, outbox)
        with pytest.raises(PreconditionError):
            emitter.flush()
        with pytest.raises(PreconditionError, match="no room"):
            emitter.emit("a", 8, outbox)
        emitter.flush()
    assert [(write.body, len(write.units)) for write in sink.kept] == [("7", 1)]
    emitter.emit("a", 9, outbox)
    emitter.close()
    assert sink.kept[-1].body == "9"
