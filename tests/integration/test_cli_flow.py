"""``juno-snap flow`` with files in a temporary folder."""

import json
import signal

import pytest

from tests.integration.cli_world import ask, juno_snap, refuse, run_child
from tests.integration.flow_world import (
    COUNTER,
    FORGETFUL,
    SLOW,
    start,
    start_program,
    until,
    write_flow,
)

LOCKED, NOT_FOUND, REFUSED, CONFIGURATION, FAILED, CANCELLED = 3, 4, 5, 10, 16, 130
USAGE = 2


STEP = "[flow]\nname = 'f'\n[[steps]]\nid = 'a'\nfunction = "


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def counter(state):
    return write_flow(state, "counter_file", COUNTER)


@pytest.fixture
def slow(state):
    return write_flow(state, "slow_file", SLOW)


def actions(folder):
    return (folder / "log").read_text(encoding="utf-8").split()


def iteration():
    return ask("flow", "snapshot", "get", "counter", "count")["snapshot"]


@pytest.mark.proves("A2", "A3", "B4", "B5", "B32")
def test_each_process_goes_on_from_the_snapshot_of_the_last(counter):
    for number in (1, 2):
        ran = run_child("flow", "run", counter, "--json")
        assert ran.code == 0, ran.err
        run = ran.document["run"]
        assert (run["state"], run["outputs"]) == ("done", [{"iteration": number}])


@pytest.mark.proves("B1")
def test_a_step_snapshot_is_made_read_changed_and_removed(counter):
    ask("flow", "run", counter)
    (listed,) = ask("flow", "snapshot", "list", "counter")["snapshots"]
    assert (listed["step"], listed["size_bytes"]) == ("count", 15)
    ask("flow", "snapshot", "reset", "counter", "count")
    assert ask("flow", "snapshot", "list", "counter")["snapshots"] == []
    made = ask("flow", "snapshot", "set", "counter", "count", '{ "iteration": 41 }')
    assert {"flow", "step", "snapshot", "size_bytes", "updated_at"} <= made.keys()
    assert made["snapshot"] == {"iteration": 41}
    assert ask("flow", "run", counter)["run"]["outputs"] == [{"iteration": 42}]


@pytest.mark.proves("A1", "B3")
def test_a_change_is_taken_back_and_the_next_run_goes_on_from_there(counter):
    ask("flow", "run", counter)
    ask("flow", "snapshot", "set", "counter", "count", "[]")
    assert ask("flow", "snapshot", "undo", "counter", "count")["undone"] == ["count"]
    assert iteration() == {"iteration": 1}
    assert ask("flow", "snapshot", "reset", "counter")["reset"] == ["count"]
    assert ask("flow", "run", counter)["run"]["outputs"] == [{"iteration": 1}]


@pytest.mark.parametrize("value", ['"text"', "null", "7", "{}", "[1]"])
def test_any_json_may_be_set(counter, value):
    ask("flow", "run", counter)
    assert ask("flow", "snapshot", "set", "counter", "count", value)["snapshot"] == json.loads(
        value
    )


@pytest.mark.proves("A13", "B12", "A14")
def test_the_limit_holds_on_the_command_line(counter):
    ask("flow", "run", counter)
    ask("flow", "snapshot", "set", "counter", "count", json.dumps("x" * 5118))
    ran = refuse("flow", "snapshot", "set", "counter", "count", json.dumps("x" * 5119))
    assert ran.code == REFUSED
    assert (ran.error["size_bytes"], ran.error["limit_bytes"]) == (5121, 5120)
    assert iteration() == "x" * 5118


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("snapshot", "set", "counter", "count", "not json"), USAGE),
        (("snapshot", "set", "counter", "count", "NaN"), USAGE),
        (("snapshot", "set", "counter", "other", "1"), NOT_FOUND),
        (("snapshot", "get", "counter", "other"), NOT_FOUND),
        (("snapshot", "reset", "other"), NOT_FOUND),
        (("snapshot", "undo", "counter"), NOT_FOUND),
        (("snapshot", "list", "../counter"), USAGE),
        (("status", "other"), NOT_FOUND),
        (("stop", "other"), NOT_FOUND),
        (("resume", "counter"), NOT_FOUND),
        (("run", "counter"), USAGE),
        (("run", "missing.py:flow"), NOT_FOUND),
        (("run", "missing.toml"), NOT_FOUND),
        (("run", "counter_file.py:nothing"), CONFIGURATION),
        (("run", "counter_file.py:flow", "--message", "{"), USAGE),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(counter, words, code):
    ask("flow", "run", counter)
    before = ask("flow", "snapshot", "get", "counter")
    assert refuse("flow", *words).code == code
    assert ask("flow", "snapshot", "get", "counter") == before


@pytest.mark.parametrize("words", [("status", "f"), ("stop", "f"), ("snapshot", "reset", "f")])
def test_where_no_flow_was_run_nothing_is_made(state, words):
    assert ask("flow", "list")["flows"] == []
    assert refuse("flow", *words).code == NOT_FOUND
    assert not (state / "state" / "flows.sqlite").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[flow]\nname = 'f'\n", "steps"),
        ("[flow]\nname = 'f'\nsteps = 1\n[[steps]]\nid = 'a'\n", "flow.steps"),
        ("flow = ", "no TOML"),
        ("[flow]\nname = 'a b'\n[[steps]]\nid = 'a'\nfunction = 'json:dumps'\n", "flow.name"),
        (STEP + "'nowhere.py:f'\n", "nowhere.py"),
        (STEP + "'nomodule:f'\n", "nomodule"),
        (STEP + "'json:nothing'\n", "nothing"),
        (STEP + "'json:dumps'\nattempts = 0\n", "attempts"),
    ],
)
def test_a_mistake_in_a_declaration_names_the_file_and_the_place(state, text, said):
    file = state / "broken.toml"
    file.write_text(text, encoding="utf-8")
    ran = refuse("flow", "run", file)
    assert ran.code in {CONFIGURATION, NOT_FOUND}
    assert said in ran.error["message"]


@pytest.mark.parametrize("breaking", ["raise OSError('this')", "raise SystemExit('this')", "this"])
def test_a_file_that_breaks_is_told_of(state, breaking, monkeypatch):
    source = write_flow(state, "breaks", breaking)
    (state / "declared.toml").write_text(f"{STEP}'breaks:flow'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(state)
    for said in (source, state / "declared.toml"):
        ran = refuse("flow", "run", said)
        assert ran.code == CONFIGURATION
        assert "this" in ran.error["message"]


def test_what_a_file_prints_is_not_in_the_document(state):
    loud = write_flow(state, "loud_file", f"print('I was imported')\n{COUNTER}")
    ran = run_child("flow", "run", loud, "--json")
    assert ran.document["run"]["outputs"] == [{"iteration": 1}]
    assert "I was imported" in ran.err


def test_steps_of_one_file_share_what_stands_in_it(state):
    text = "calls = []\ndef step(msg, cfg, snapshot):\n    calls.append(1)\n    return len(calls)\n"
    (state / "steps.py").write_text(text, encoding="utf-8")
    file = state / "flow.toml"
    two = "".join(f"[[steps]]\nid = '{name}'\nfunction = 'steps.py:step'\n" for name in "ab")
    file.write_text(f"[flow]\nname = 'f'\n{two}", encoding="utf-8")
    assert ask("flow", "run", file)["run"]["outputs"] == [2]


def test_a_step_that_fails_ends_with_16_and_resume_goes_on(state):
    text = COUNTER.replace('@flow.step("count")', '@flow.step("count", attempts=ONCE)').replace(
        "import Flow\n", "import Attempts, Flow\n\nONCE = Attempts(most=1)\n"
    )
    source = write_flow(state, "fails", text + '    open("there").close()\n')
    ran = refuse("flow", "run", source)
    assert (ran.code, ran.error["code"], ran.error["step"]) == (FAILED, "flow-failed", "count")
    assert ask("flow", "status", "counter")["state"] == "needs-attention"
    assert refuse("flow", "run", source).code == REFUSED
    (state / "there").touch()
    run = ask("flow", "resume", "counter")["run"]
    assert (run["state"], run["goes_on"], run["outputs"]) == ("done", True, [{"iteration": 2}])


def test_a_step_with_a_snapshot_is_not_dropped_unsaid(state, counter):
    ask("flow", "run", counter)
    renamed = write_flow(state, "renamed", COUNTER.replace('"count"', '"tally"'))
    ran = refuse("flow", "run", renamed)
    assert (ran.code, ran.error["code"]) == (REFUSED, "step-dropped")
    assert iteration() == {"iteration": 1}
    assert ask("flow", "run", renamed, "--drop-state")["run"]["outputs"] == [{"iteration": 1}]


def test_two_runs_at_once_are_one_too_many_and_a_killed_one_is_taken_over(state, slow):
    first = start("flow", "run", slow, "--json")
    until((state / "log").exists)
    second = refuse("flow", "run", slow)
    assert (second.code, second.error["code"]) == (LOCKED, "locked")
    assert f"pid {first.pid}" in second.error["message"]
    for words in (("set", "slow", "work", "1"), ("reset", "slow"), ("undo", "slow")):
        assert refuse("flow", "snapshot", *words).code == LOCKED
    assert ask("flow", "status", "slow")["state"] == "running"
    first.kill()
    first.communicate()
    assert ask("flow", "status", "slow")["state"] == "interrupted"
    taken_over = start("flow", "resume", "slow", "--json")
    before = len(actions(state))
    until(lambda: len(actions(state)) > before)
    stopped = ask("flow", "stop", "slow", "--timeout-seconds", "inf")
    assert stopped["was_running"]
    out, _ = taken_over.communicate()
    assert json.loads(out)["run"]["state"] == "stopped"
    assert ask("flow", "status", "slow")["state"] == "stopped"


@pytest.mark.proves("A2", "A6", "B4", "B6")
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_has_the_newest_marker_written(state, slow, signal_number):
    running = start("flow", "run", slow, "--json")
    until(lambda: (state / "log").exists() and len(actions(state)) > 5)
    running.send_signal(signal_number)
    _, err = running.communicate()
    assert running.returncode == CANCELLED, err
    done = len(actions(state))
    assert ask("flow", "status", "slow")["state"] == "stopped"
    assert ask("flow", "snapshot", "get", "slow", "work")["snapshot"] == {"done": done}
    ran = juno_snap("flow", "run", slow, "--json", "--message", json.dumps({"until": 1}))
    assert ran.code == REFUSED  # the run that is unfinished has another message


@pytest.mark.proves("A2", "A11", "B11")
def test_a_program_of_ones_own_writes_on_sigterm_and_ends_by_it(state, slow):
    program = state / "program.py"
    program.write_text(
        "import asyncio, juno_snap, slow_file\nasyncio.run(juno_snap.run_flow(slow_file.flow))\n",
        encoding="utf-8",
    )
    own = start_program(program)
    until(lambda: (state / "log").exists() and len(actions(state)) > 5)
    own.send_signal(signal.SIGTERM)
    _, err = own.communicate()
    assert own.returncode == -signal.SIGTERM, err
    done = len(actions(state))
    assert ask("flow", "snapshot", "get", "slow", "work")["snapshot"] == {"done": done}
    assert refuse("flow", "resume", "slow").error["code"] == "no-flow-file"


@pytest.mark.proves("A4")
def test_a_step_that_never_emits_does_everything_again_after_a_kill(state):
    source = write_flow(state, "forgetful", FORGETFUL)
    running = start("flow", "run", source)
    until(lambda: (state / "log").exists() and len(actions(state)) > 3)
    running.kill()
    running.communicate()
    before = actions(state)
    again = start("flow", "run", source)
    until(lambda: len(actions(state)) >= len(before) + 3)
    again.kill()
    again.communicate()
    assert actions(state)[len(before) : len(before) + 3] == ["0", "1", "2"]


def test_where_nothing_can_be_written_it_is_refused(state, counter, monkeypatch):
    (state / "file").touch()
    monkeypatch.setenv("JUNO_SNAP_STATE", str(state / "file" / "state"))
    ran = refuse("flow", "run", counter)
    assert (ran.code, ran.error["code"]) == (REFUSED, "flows-file-read-only")


def test_a_file_that_was_damaged_is_refused_and_left(state, counter):
    ask("flow", "run", counter)
    file = state / "state" / "flows.sqlite"
    file.write_bytes(b"x" * 5000)
    for words in (("run", counter), ("list",), ("snapshot", "reset", "counter")):
        ran = refuse("flow", *words)
        assert (ran.code, ran.error["code"]) == (REFUSED, "flows-file-damaged")
    assert file.read_bytes() == b"x" * 5000


def test_tables_for_people(counter):
    ask("flow", "run", counter)
    for words in (("list",), ("status", "counter"), ("snapshot", "list", "counter")):
        ran = juno_snap("flow", *words)
        assert ran.code == 0, ran.err
        assert "count" in ran.out
    assert juno_snap("flow", "snapshot", "get", "counter", "count").out == '{"iteration":1}\n'
