"""The frame of the command line: help, version, usage, completion, output."""

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys

import pytest
import typer
from rich.console import Console

from juno_snap.cli.main import run, tell_unexpected
from juno_snap.cli.output import Output, OutputOptions
from juno_snap.cli.program import COMMANDS
from juno_snap.cli.tables import cycles, moment, size
from juno_snap.cli.watching import LiveSteps
from juno_snap.cli.words import printable
from juno_snap.errors import JunoSnapError, TransportError
from juno_snap.events import BytesMoved, Notice, StepFinished, StepStarted, Waiting
from juno_snap.version import __version__

COMMON = {
    "--network", "--root-key", "--identity", "--json", "--quiet", "--verbose", "--config",
    "--state", "--yes", "--headless",
}  # fmt: skip


def said(*words):
    """Exit code, standard output and standard error of a command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    return code, out.getvalue(), err.getvalue()


def commands():
    """Every command that does something, as its words."""
    for name, line in COMMANDS.items():
        app = typer.Typer()
        importlib.import_module(f"juno_snap.cli.commands.{name}").register(app, name, line)
        for group in app.registered_groups:
            for command in group.typer_instance.registered_commands:
                yield (name, command.name)
        for command in app.registered_commands:
            yield (command.name,)


def test_the_version_is_told():
    assert said("--version") == (0, f"juno-snap {__version__}\n", "")


def test_the_help_has_a_short_word_too():
    assert said("upgrade", "-h") == said("upgrade", "--help")


def test_the_help_names_every_command_and_exit_code():
    code, out, _ = said("--help")
    assert code == 0
    for name in COMMANDS:
        assert name in out
    assert "130  cancelled" in out


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_takes_the_common_options_after_its_name(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = said(*words, "--help")
    assert code == 0
    if words[0] != "completion":
        assert {option for option in COMMON if option in out} == COMMON


@pytest.mark.parametrize("words", [(), ("snapshot",), ("replica",)], ids=str)
def test_without_a_command_the_help_is_shown(words):
    code, out, err = said(*words)
    assert code == 2
    assert "Usage:" in out
    assert err == ""


def test_a_misspelt_command_brings_the_right_one():
    code, out, err = said("snapshto", "--json")
    assert (code, out) == (2, "")
    error = json.loads(err)["error"]
    assert error["code"] == "usage"
    assert "snapshot" in error["message"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_teaches_a_shell(shell):
    code, out, _ = said("completion", "show", shell)
    assert code == 0
    assert "_JUNO_SNAP_COMPLETE" in out


@pytest.mark.parametrize(
    ("line", "found"), [("juno-snap sna", "snapshot"), ("juno-snap snapshot re", "restore")]
)
def test_completion_completes(line, found):
    environment = {
        **os.environ,
        "_JUNO_SNAP_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    program = "from juno_snap.cli.program import run_program; run_program([])"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [found]


def test_a_mistake_of_the_program_is_told_as_such(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["juno-snap", "status", "--json"])
    with pytest.raises(KeyError) as caught:
        {}["lost"]
    tell_unexpected(KeyError, caught.value, caught.tb)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" in captured.err
    assert json.loads(captured.err.splitlines()[-1])["error"]["code"] == "unexpected"


def test_an_error_is_one_line_of_json_with_its_fields(capsys):
    error = TransportError("no\nanswer", url="http://h", status=503, hint="wait")
    Output(OutputOptions(json=True)).error(error, 1)
    document = json.loads(capsys.readouterr().err)
    assert document["schema"] == 1
    assert document["error"] == {
        "code": "transport", "message": "no\nanswer", "hint": "wait", "exit_code": 1,
        "url": "http://h", "status": 503, "maybe_delivered": True,
    }  # fmt: skip


def test_the_networks_words_do_not_steer_the_terminal(capsys):
    assert printable("a\x1b[2Jb\x07\nc\u202e") == "a�[2Jb�\nc�"
    Output(OutputOptions()).error(JunoSnapError("bell\x07"), 1)
    assert "\x07" not in capsys.readouterr().err


EVENTS = (
    StepStarted(step="stop"),
    StepFinished(step="stop", outcome="done", duration_ms=1200, detail="all well"),
    Waiting(reason="rate limit", remaining_seconds=12.0),
    BytesMoved(what="chunks", done_bytes=1, total_bytes=2),
    Notice(text="good to know"),
    Notice(text="better to know", warning=True),
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            OutputOptions(),
            (
                "stop ...\nstop done in 1.2 s: all well\nwaiting: rate limit (12 s left)\n"
                "good to know\nwarning: better to know\n"
            ),
        ),
        (OutputOptions(quiet=True), "warning: better to know\n"),
        (
            OutputOptions(json=True),
            "waiting: rate limit (12 s left)\nwarning: better to know\n",
        ),
    ],
    ids=["plain", "quiet", "json"],
)
def test_events_become_lines_where_there_is_no_terminal(capsys, options, expected):
    with Output(options).watch() as observer:
        for event in EVENTS:
            observer(event)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", expected)


def waits(*remaining, reason="rate limit"):
    return [Waiting(reason=reason, remaining_seconds=seconds) for seconds in remaining]


def test_a_countdown_is_told_now_and_then(capsys):
    with Output(OutputOptions()).watch() as observer:
        for event in [
            *waits(30.0, 29.0, 20.5, 20.0, 15.0, 3.0),
            *waits(3.0, 2.0, reason="stop"),
            *waits(25.0, 24.0, reason="stop"),
            StepStarted(step="install"),
            *waits(24.0, reason="stop"),
        ]:
            observer(event)
    assert capsys.readouterr().err.splitlines() == [
        "waiting: rate limit (30 s left)",
        "waiting: rate limit (20 s left)",
        "waiting: rate limit (3 s left)",
        "waiting: stop (3 s left)",
        "waiting: stop (25 s left)",
        "install ...",
        "waiting: stop (24 s left)",
    ]


def test_live_steps_show_everything():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with LiveSteps(console, verbose=True) as steps:
        for event in EVENTS[1:]:
            steps.observe(event)
        steps.observe(StepStarted(step="install"))
    shown = screen.getvalue()
    for words in ("stop", "1.2 s", "all well", "chunks", "good to know", "warning: better"):
        assert words in shown


def test_figures_are_readable():
    assert [size(1), size(2048), size(3 * 1024**2), size(5 * 1024**3)] == [
        "1 B", "2.0 KiB", "3.0 MiB", "5.0 GiB",
    ]  # fmt: skip
    assert [cycles(5), cycles(20_000_000), cycles(3_000_000_000_000)] == [
        "5", "0.02 G", "3.000 T",
    ]  # fmt: skip
    assert moment(1_700_000_000_000_000_000) == "2023-11-14 22:13:20 UTC"
