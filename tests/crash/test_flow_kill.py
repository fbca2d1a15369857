"""Flows that are killed at any moment: what is restored was emitted, and nothing is done twice."""

import json
import sys
import threading

import pytest

from juno_snap.flow.space import FlowSpace
from tests.chance import Chance
from tests.integration.cli_world import ask
from tests.integration.flow_world import start, until, write_flow

WORK = """
import os
import pathlib
import threading

from juno_snap import Flow

flow = Flow("work")
LOG = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(*words):
    os.write(LOG, (" ".join(map(str, words)) + "\\n").encode())


@flow.step("act")
def act(msg, cfg, snapshot, ctx):
    number = snapshot.get("done", 0)
    note("begin", number)
    while not pathlib.Path("finish").exists():
        note("act", number)
        ctx.emit("data", number)
        number += 1
        is_durable = number % 7 == 0
        ctx.emit("snapshot", {"done": number}, durable=is_durable)
        if is_durable:
            note("durable", number)
        threading.Event().wait(0.002)
"""


class Log:
    """What the step wrote down, past everything that its process could lose."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return [(word, int(number)) for word, number in map(str.split, text.splitlines())]

    def last(self, *words):
        return max((number for word, number in self.lines() if word in words), default=None)


def stored(state):
    """How much is done by the step snapshot."""
    space = FlowSpace(state=state)
    if space.is_empty:
        return 0
    with space.open() as store:
        found = store.snapshot("work", "act")
    return found.value["done"] if found else 0


def kill_at_random(process, log, before, chance):
    """Kill it: now and then while it starts, mostly some time after it has begun to act."""
    if chance.below(6):
        until(lambda: len(log.lines()) > before)
    threading.Event().wait(chance.below(400) / 1000)
    process.kill()
    process.communicate()


def survive(folder, state, kills, seed, capsys):
    source, chance, log = write_flow(folder, "work", WORK), Chance(seed), Log(folder / "log")
    restored, lost = [], 0
    for _ in range(kills):
        before = len(log.lines())
        is_known = not FlowSpace(state=state).is_empty
        words = ("resume", "work") if is_known and was_begun(state) else ("run", source)
        kill_at_random(start("flow", *words), log, before, chance)
        done = stored(state)
        begun = [number for word, number in log.lines()[before:] if word == "begin"]
        if begun:  # it went on exactly where the snapshot was
            assert begun == [restored[-1] if restored else 0]
        acted = log.last("act")
        assert done <= (0 if acted is None else acted + 1)  # only what was emitted
        assert done >= (log.last("durable") or 0)
        assert done >= (restored[-1] if restored else 0)
        lost += (0 if acted is None else acted + 1) - done
        restored.append(done)
    (folder / "finish").touch()
    words = ("resume", "work") if was_begun(state) else ("run", source)
    out, err = start("flow", *words, "--json").communicate()
    assert json.loads(out)["run"]["state"] == "done", err
    with FlowSpace(state=state).open() as store:
        run = store.runs("work")[0].id
        handed_on = [int(unit.message) for unit in store.units(run, "", limit=1_000_000)]
    assert handed_on == list(range(stored(state)))  # each once, none left out
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kills} kills of a flow: {restored[-1]} actions, {lost} emits lost in all\n"
        )


def was_begun(state):
    space = FlowSpace(state=state)
    if space.is_empty:
        return False
    with space.open() as store:
        return bool(store.flows())


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.proves("A2", "A6", "A11", "B4", "B6", "B11", "A18", "B17")
def test_a_flow_that_is_killed_at_random_goes_on_where_it_was(tmp_path, state, capsys):
    survive(tmp_path, state, 4, 7, capsys)


@pytest.mark.campaign
def test_a_flow_that_is_killed_fifty_times_goes_on_where_it_was(tmp_path, state, capsys):
    survive(tmp_path, state, 50, 50, capsys)


def test_a_step_that_kills_its_process_each_time_needs_attention(tmp_path, state):
    source = write_flow(
        tmp_path,
        "deadly",
        "import os\nfrom juno_snap import Flow\nflow = Flow('deadly')\n"
        "@flow.step('a')\ndef a(msg, cfg, snapshot):\n    os.kill(os.getpid(), 9)\n",
    )
    for _ in range(3):
        process = start("flow", "run", source)
        process.communicate()
        assert process.returncode == -9
    process = start("flow", "run", source, "--json")
    _, err = process.communicate()
    assert process.returncode == 16, err
    assert "3 times" in json.loads(err.splitlines()[-1])["error"]["message"]
    assert ask("flow", "status", "deadly")["state"] == "needs-attention"
