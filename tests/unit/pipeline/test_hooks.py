"""Hooks as the runner meets them: told of the operation, bounded, and never raising."""

import asyncio
import json
import threading

import pytest
from pydantic import TypeAdapter

from juno_snap.errors import ConfigError
from juno_snap.pipeline.hooks.model import (
    DOWN_POINTS,
    HOOK_POINTS,
    VETO_POINTS,
    HookSpec,
    check_hook,
)
from juno_snap.pipeline.hooks.run import NO_HOOKS, Hooks
from juno_snap.units import NS_PER_MS
from tests.unit.pipeline import hook_functions
from tests.unit.pipeline.hook_values import NEW_HASH, context, function, is_gone, shell
from tests.unit.pipeline.values import MODULE, OLD_HASH, snapshot_id

PLUGIN = "tests.unit.pipeline.hook_functions"


@pytest.fixture(autouse=True)
def fresh_functions():
    hook_functions.told.clear()
    hook_functions.cleaned_up.clear()
    yield
    while hook_functions.let_go:
        hook_functions.let_go.pop().set()


async def run_one(spec, **changes):
    (result,) = await Hooks([spec]).run(spec.point, context(**changes))
    return result


# What a hook is told


@pytest.mark.anyio
async def test_a_command_reads_its_context_as_json():
    error = {"error_code": "rejected", "error_message": 'said "no"\nIC0503\0'}
    spec = shell("cat", point="on-failure")
    result = await run_one(spec, step_outcome="failed", **error)
    assert json.loads(result.output) == {
        "schema": 1,
        "operation": "20261121-073722-123456",
        "kind": "upgrade",
        "network": "local",
        "module": str(MODULE),
        "point": "on-failure",
        "step_outcome": "failed",
        "old_hash": OLD_HASH.hex(),
        "new_hash": NEW_HASH.hex(),
        "snapshot": str(snapshot_id(3)),
        "error": {"code": "rejected", "message": 'said "no"\nIC0503\0'},
        "rehearsal": False,
    }


@pytest.mark.anyio
async def test_what_is_not_known_is_null():
    result = await run_one(shell("cat"), old_hash=None, new_hash=None, snapshot=None)
    told = json.loads(result.output)
    assert told["old_hash"] is told["new_hash"] is told["snapshot"] is None
    assert told["error"] is told["step_outcome"] is None


@pytest.mark.anyio
async def test_a_command_finds_the_same_in_variables(tmp_path):
    spec = shell("env | grep ^JUNO_SNAP_ | sort", point="after-install", for_rehearsal=True)
    changes = {"step_outcome": "done", "rehearsal": True, "root_key": b"\x30", "state": tmp_path}
    result = await run_one(spec, **changes)
    assert result.output.splitlines() == [
        "JUNO_SNAP_ERROR_CODE=",
        "JUNO_SNAP_ERROR_MESSAGE=",
        "JUNO_SNAP_KIND=upgrade",
        f"JUNO_SNAP_MODULE={MODULE}",
        "JUNO_SNAP_NETWORK=local",
        f"JUNO_SNAP_NEW_HASH={NEW_HASH.hex()}",
        f"JUNO_SNAP_OLD_HASH={OLD_HASH.hex()}",
        "JUNO_SNAP_OPERATION=20261121-073722-123456",
        "JUNO_SNAP_POINT=after-install",
        "JUNO_SNAP_REHEARSAL=1",
        "JUNO_SNAP_ROOT_KEY=30",
        f"JUNO_SNAP_SNAPSHOT={snapshot_id(3)}",
        f"JUNO_SNAP_STATE={tmp_path}",
        "JUNO_SNAP_STEP_OUTCOME=done",
    ]


@pytest.mark.anyio
async def test_an_error_that_fills_no_variable_keeps_no_hook_from_running():
    changes = {"error_code": "trap", "error_message": "\0" + "x" * 300_000}
    result = await run_one(shell("wc -c", point="on-failure"), **changes)
    assert result.outcome == "done"
    assert int(result.output) > 300_000


@pytest.mark.anyio
async def test_a_command_gets_a_secret_only_if_its_configuration_says_so(monkeypatch):
    monkeypatch.setenv("WEBHOOK_TOKEN", "abc")
    script = 'echo "[$WEBHOOK_TOKEN]"'
    assert (await run_one(shell(script))).output == "[]\n"
    told = await run_one(shell(script, pass_variables=("WEBHOOK_TOKEN",)))
    assert told.output == "[abc]\n"


# What becomes of it


@pytest.mark.anyio
@pytest.mark.parametrize("point", HOOK_POINTS)
async def test_exit_code_75_is_a_veto_while_the_module_still_serves(point):
    result = await run_one(shell("echo not now; exit 75", point=point))
    assert result.outcome == ("vetoed" if point in VETO_POINTS else "failed")
    assert (result.name, result.point) == ("hook", point)
    assert result.detail == "exit code 75: not now"


@pytest.mark.anyio
@pytest.mark.parametrize("code", [1, 74, 76, 255])
async def test_any_other_exit_code_is_a_failure(code):
    result = await run_one(shell(f"echo a; echo b >&2; exit {code}"))
    assert (result.outcome, result.detail) == ("failed", f"exit code {code}: b")
    assert result.output == "a\nb\n"


@pytest.mark.anyio
async def test_a_command_that_hangs_has_failed_and_is_gone(tmp_path):
    note = tmp_path / "pid"
    spec = shell('echo $$ >"$1"; exec sleep 600', str(note), timeout_seconds=1)
    result = await run_one(spec)
    assert (result.outcome, result.detail) == ("failed", "had not ended after 1 s and was killed")
    assert await is_gone(int(note.read_text(encoding="utf-8")))


@pytest.mark.anyio
async def test_a_command_that_cannot_be_run_has_failed(tmp_path):
    missing = str(tmp_path / "none.sh")
    result = await run_one(HookSpec(name="lost", point="before-stop", command=(missing,)))
    assert result.outcome == "failed"
    assert result.detail == f"cannot be run: '{missing}': there is no such file"


@pytest.mark.anyio
async def test_evidence_is_small_and_names_what_went_wrong():
    result = await run_one(shell("yes | head -c 1000000; exit 3", name="loud"))
    evidence = result.evidence()
    assert len(json.dumps(evidence)) < 6_000
    assert (evidence["name"], evidence["point"]) == ("loud", "before-upgrade")
    assert evidence["error"] == "hook-failed"
    assert evidence["message"] == "hook loud failed: exit code 3: y"
    quiet = await run_one(shell("true", name="quiet"))
    assert quiet.evidence() == {
        "name": "quiet", "point": "before-upgrade", "duration_ms": quiet.duration_ms
    }  # fmt: skip


class Ticking:
    """A clock that is 7 ms later at each look."""

    def __init__(self):
        self._at_ns = 0

    def monotonic_ns(self):
        self._at_ns += 7 * NS_PER_MS
        return self._at_ns


@pytest.mark.anyio
async def test_tells_how_long_a_hook_took():
    hooks = Hooks([function("remember")], clock=Ticking())
    (result,) = await hooks.run("before-upgrade", context())
    assert result.duration_ms == 7


@pytest.mark.anyio
async def test_a_function_that_refuses_is_a_veto_or_a_failure():
    for text in ("refuse", "refuse_async"):
        result = await run_one(function(text))
        assert (result.outcome, result.detail) == ("vetoed", "not on a Friday")
        result = await run_one(function(text, point="before-install"))
        assert (result.outcome, result.detail) == ("failed", "not on a Friday")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("fail", "KeyError: 'stock'"),
        ("leave", "SystemExit: 75"),
        ("leave_async", "SystemExit: 75"),
        ("cancel_itself", "CancelledError"),
    ],
)
async def test_whatever_a_function_raises_is_a_result(text, detail):
    result = await run_one(function(text, point="after-stop"))
    assert (result.outcome, result.detail) == ("failed", detail)


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["hang", "hang_async", "block_async", "hold_on"])
async def test_a_function_that_hangs_has_failed(text):
    result = await run_one(function(text, point="after-stop", timeout_seconds=0.3))
    assert result.outcome == "failed"
    assert result.detail == "TimeoutError: had not ended after 0.3 s"


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["remember", "remember_async", "plugin.run"])
async def test_a_function_has_a_thread_that_does_not_outlive_the_program(text):
    assert (await run_one(function(text))).outcome == "done"
    ((told, thread),) = hook_functions.told
    assert told == context()
    assert thread is not threading.current_thread()
    assert thread.daemon


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["hang", "block_async"])
async def test_the_loop_lives_while_a_function_blocks(text):
    running = asyncio.ensure_future(run_one(function(text)))
    while not hook_functions.let_go:
        await asyncio.wait({running}, timeout=0.01)
    hook_functions.let_go[0].set()
    assert (await running).outcome == "done"


@pytest.mark.anyio
async def test_an_async_function_is_cancelled_when_its_time_is_over():
    await run_one(function("hang_async", timeout_seconds=0.5))
    assert hook_functions.cleaned_up == ["before-upgrade"]


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["hang", "hang_async"])
async def test_cancellation_ends_the_wait_for_a_function(text):
    running = asyncio.ensure_future(run_one(function(text)))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.anyio
async def test_cancellation_ends_a_command(tmp_path):
    note = tmp_path / "pid"
    specs = [
        shell('echo $$ >"$1.part"; mv "$1.part" "$1"; exec sleep 600', str(note)),
        shell('touch "$1.second"', str(note)),
    ]
    running = asyncio.ensure_future(Hooks(specs).run("before-upgrade", context()))
    while not note.exists():
        await asyncio.wait({running}, timeout=0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await is_gone(int(note.read_text(encoding="utf-8")))
    assert not (tmp_path / "pid.second").exists()


# Which of them run


@pytest.mark.anyio
@pytest.mark.parametrize("point", HOOK_POINTS)
async def test_a_point_before_stops_at_the_first_failure_and_others_do_not(point):
    specs = [
        shell("true", point=point, name="good"),
        shell("exit 1", point=point, name="bad"),
        shell("true", point=point, name="last"),
    ]
    results = await Hooks(specs).run(point, context())
    expected = [("good", "done"), ("bad", "failed"), ("last", "done")]
    if point.startswith("before-"):
        expected.pop()
    assert [(result.name, result.outcome) for result in results] == expected


@pytest.mark.anyio
async def test_runs_the_hooks_of_a_point_in_their_order(tmp_path):
    script = 'echo "$2" >>"$1"'
    log = tmp_path / "log"
    specs = [
        shell(script, str(log), "one"),
        shell(script, str(log), "elsewhere", point="after-upgrade"),
        shell(script, str(log), "two"),
    ]
    results = await Hooks(specs).run("before-upgrade", context(point="on-failure"))
    assert [result.point for result in results] == ["before-upgrade"] * 2
    assert log.read_text(encoding="utf-8").split() == ["one", "two"]


@pytest.mark.anyio
async def test_in_a_rehearsal_only_those_run_that_say_so():
    specs = [shell("true", name="real"), shell("true", name="both", for_rehearsal=True)]
    hooks = Hooks(specs)
    results = await hooks.run("before-upgrade", context(rehearsal=True))
    assert [result.name for result in results] == ["both"]
    assert hooks.at("before-upgrade") == tuple(specs)
    assert hooks.at("before-upgrade", rehearsal=True) == (specs[1],)


@pytest.mark.anyio
async def test_without_hooks_nothing_runs():
    NO_HOOKS.check_loadable()
    assert await NO_HOOKS.run("before-stop", context()) == ()


# Configuration


def test_the_time_of_a_hook_is_short_while_the_module_is_down():
    limits = {point: shell("true", point=point).limit_seconds for point in HOOK_POINTS}
    assert {point for point, limit in limits.items() if limit == 10} == DOWN_POINTS
    assert {limit for point, limit in limits.items() if point not in DOWN_POINTS} == {300}
    assert {"after-stop", "before-start"} <= DOWN_POINTS
    assert not {"before-stop", "after-start"} & DOWN_POINTS
    assert shell("true", point="after-stop", timeout_seconds=60).limit_seconds == 60


def test_a_hook_is_json_and_back():
    adapter = TypeAdapter(tuple[HookSpec, ...])
    specs = (shell("true", timeout_seconds=3, pass_variables=("A_TOKEN",)), function("fail"))
    assert adapter.validate_json(adapter.dump_json(specs)) == specs


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"command": ("a",), "timeout_seconds": 1}, id="shortest"),
        pytest.param({"command": ("a",), "timeout_seconds": 3600}, id="longest"),
        pytest.param({"command": ("a", ""), "pass_variables": ("A_TOKEN",)}, id="variables"),
        pytest.param({"function": "package:function"}, id="function"),
        pytest.param({"function": "a.b_1.c:Plugin.run"}, id="method"),
        pytest.param({"function": "freeze-writes"}, id="entry point"),
    ],
)
def test_accepts_a_hook_that_can_run(said):
    check_hook(HookSpec(name="hook", point="before-stop", **said))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, "neither command nor function"),
        ({"command": ("a",), "function": "a:b"}, "both a command and a function"),
        ({"command": ("",)}, "its command is empty"),
        ({"command": (" ", "x")}, "its command is empty"),
        ({"command": ("a", "b\0")}, "NUL character"),
        ({"command": ("a",), "name": ""}, "its name is empty"),
        ({"command": ("a",), "name": "a\nb"}, "its name is empty or cannot be shown"),
        ({"command": ("a",), "point": "before-lunch"}, "there is no point 'before-lunch'"),
        ({"command": ("a",), "timeout_seconds": 0.5}, "a timeout of 0.5 s"),
        ({"command": ("a",), "timeout_seconds": 3601}, "a timeout of 3601 s"),
        ({"command": ("a",), "timeout_seconds": float("nan")}, "a timeout of nan s"),
        ({"command": ("a",), "pass_variables": ("JUNO_TOKEN",)}, "JUNO_TOKEN is never passed on"),
        ({"command": ("a",), "pass_variables": ("A=B",)}, "'A=B' is not the name of a variable"),
        ({"function": "a:b", "pass_variables": ("A_TOKEN",)}, "pass_variables is for commands"),
        ({"function": "a.b:"}, "names no function"),
        ({"function": ":b"}, "names no function"),
        ({"function": "a:b:c"}, "names no function"),
        ({"function": "a-b:c"}, "names no function"),
        ({"function": "../a.py:b"}, "names no function"),
        ({"function": "two words"}, "names no function"),
    ],
)
def test_refuses_a_hook_that_could_never_run(said, problem):
    with pytest.raises(ConfigError) as caught:
        check_hook(HookSpec(**({"name": "mine", "point": "before-stop"} | said)))
    assert caught.value.key == "hooks"
    assert problem in caught.value.message
    assert "name" in said or "'mine'" in caught.value.message


# Finding functions


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no_such_package_anywhere:f", "No module named 'no_such_package_anywhere'"),
        (f"{PLUGIN}:no_such_function", "has no attribute 'no_such_function'"),
        (f"{PLUGIN}:not_a_function", "is no function"),
        ("nobody-registers-this", "no installed package registers 'nobody-registers-this'"),
    ],
)
def test_what_cannot_be_loaded_is_found_when_planning(text, problem):
    good = function("remember")
    bad = HookSpec(name="mine", point="before-install", function=text)
    with pytest.raises(ConfigError) as caught:
        Hooks([good, bad]).check_loadable()
    assert "'mine'" in caught.value.message
    assert problem in caught.value.message
    assert hook_functions.told == []


@pytest.mark.anyio
async def test_what_cannot_be_loaded_fails_when_it_is_due():
    result = await run_one(HookSpec(name="mine", point="after-stop", function="no_such_thing:f"))
    assert result.outcome == "failed"
    assert "No module named 'no_such_thing'" in result.detail


@pytest.mark.parametrize("content", ["raise SystemExit(1)", "1 / 0", "import no_such_thing", "def"])
def test_a_python_module_that_fails_to_load_is_named(tmp_path, monkeypatch, content):
    (tmp_path / "hook_that_breaks.py").write_text(content, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    spec = HookSpec(name="mine", point="before-stop", function="hook_that_breaks:f")
    with pytest.raises(ConfigError, match="'hook_that_breaks:f' cannot be loaded"):
        Hooks([spec]).check_loadable()


def install(folder, name, entry_points):
    """Put the metadata of an installed package ``name`` into ``folder``."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(
        f"[juno_snap.hooks]\n{entry_points}\n", encoding="utf-8"
    )


@pytest.mark.anyio
async def test_an_entry_point_runs_where_the_configuration_names_it(tmp_path, monkeypatch):
    install(tmp_path, "plugin", f"freeze-writes = {PLUGIN}:remember\nother = {PLUGIN}:fail")
    monkeypatch.syspath_prepend(tmp_path)
    spec = HookSpec(name="mine", point="before-stop", function="freeze-writes")
    hooks = Hooks([spec])
    hooks.check_loadable()
    (result,) = await hooks.run("before-stop", context())
    assert result.outcome == "done"
    assert [told.point for told, _ in hook_functions.told] == ["before-stop"]


@pytest.mark.anyio
async def test_an_entry_point_that_is_not_named_does_not_run(tmp_path, monkeypatch):
    install(tmp_path, "plugin", f"before-stop = {PLUGIN}:remember")
    monkeypatch.syspath_prepend(tmp_path)
    assert await Hooks([]).run("before-stop", context()) == ()
    assert hook_functions.told == []


def test_a_name_that_two_packages_register_is_ambiguous(tmp_path, monkeypatch):
    install(tmp_path, "one", f"freeze = {PLUGIN}:remember")
    install(tmp_path, "two", f"freeze = {PLUGIN}:fail")
    monkeypatch.syspath_prepend(tmp_path)
    spec = HookSpec(name="mine", point="before-stop", function="freeze")
    with pytest.raises(ConfigError, match=f"ambiguous: {PLUGIN}:fail, {PLUGIN}:remember"):
        Hooks([spec]).check_loadable()
