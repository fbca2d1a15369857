"""Commands that hang, print without end, read nothing or cannot be run."""

import asyncio
import contextlib
import os
import signal

import pytest

from juno_snap.processes import (
    OUTPUT_MAX_BYTES,
    clean_environment,
    printable,
    run_command,
)
from tests.unit.pipeline.hook_values import is_gone


async def run(*argv, stdin=b"", environment=None, timeout_seconds=30.0, cwd=None):
    return await run_command(
        argv,
        stdin=stdin,
        environment=clean_environment(environment),
        timeout_seconds=timeout_seconds,
        cwd=cwd,
    )


async def written(path):
    """What a command writes into ``path``, which it moves there when it is complete."""
    for _ in range(3000):
        if path.exists():
            return path.read_text(encoding="utf-8")
        await asyncio.sleep(0.01)
    raise AssertionError(path)


@pytest.mark.anyio
@pytest.mark.parametrize("code", [0, 1, 75, 255])
async def test_tells_exit_code_and_both_outputs(code):
    done = await run("sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert (done.exit_code, done.output, done.problem) == (code, "out\nerr\n", "")


@pytest.mark.anyio
@pytest.mark.parametrize("size_bytes", [0, 10, 3_000_000])
async def test_standard_input_is_all_there(size_bytes):
    done = await run("wc", "-c", stdin=b"x" * size_bytes)
    assert int(done.output) == size_bytes


@pytest.mark.anyio
@pytest.mark.parametrize("script", ["exit 0", "exec <&-; true", "head -c 1 >/dev/null"])
async def test_a_command_need_not_read_its_input(script):
    done = await run("sh", "-c", script, stdin=b"x" * 3_000_000)
    assert (done.exit_code, done.problem) == (0, "")


@pytest.mark.anyio
async def test_arguments_are_no_shell():
    done = await run("printf", "%s|", "$HOME", "a b; exit 3", "*")
    assert done.output == "$HOME|a b; exit 3|*|"


@pytest.mark.anyio
async def test_megabytes_of_output_lose_their_middle():
    script = "echo first; yes | head -c 30000000; echo last"
    done = await run("sh", "-c", script)
    assert done.exit_code == 0
    assert done.output.startswith("first\n")
    assert done.output.endswith("y\nlast\n")
    left_out = 30_000_000 + len("first\nlast\n") - OUTPUT_MAX_BYTES
    assert f"[{left_out} bytes left out]" in done.output
    assert len(done.output) < OUTPUT_MAX_BYTES + 100


@pytest.mark.anyio
async def test_output_cannot_steer_a_terminal():
    done = await run("printf", r"a\033[2Jb\tc\n\000\377d")
    assert done.output == "a\ufffd[2Jb\tc\n\ufffd\ufffdd"


@pytest.mark.anyio
async def test_a_command_that_hangs_is_killed_with_its_descendants(tmp_path):
    script = """
        trap '' TERM
        sleep 600 & echo "$$ $!" >"$1"
        echo waiting for the queue
        while :; do sleep 600; done
    """
    pids = tmp_path / "pids"
    done = await run("sh", "-c", script, "hook", str(pids), timeout_seconds=1)
    assert done.exit_code is None
    assert done.problem == "had not ended after 1 s and was killed"
    assert done.output == "waiting for the queue\n"
    child, grandchild = map(int, pids.read_text(encoding="utf-8").split())
    assert await is_gone(child)
    assert await is_gone(grandchild)


@pytest.mark.anyio
@pytest.mark.parametrize("busy", ["sleep 600", "yes"])
async def test_does_not_wait_for_what_is_left_in_the_background(tmp_path, busy):
    """It keeps the output open, and a busy one writes into it without end."""
    note = tmp_path / "pid"
    done = await run("sh", "-c", f'{busy} & echo $! >"$1"', "hook", str(note), timeout_seconds=300)
    assert (done.exit_code, done.problem) == (0, "")
    with contextlib.suppress(ProcessLookupError):  # whoever writes has found its pipe closed
        os.kill(int(note.read_text(encoding="utf-8")), signal.SIGKILL)


@pytest.mark.anyio
async def test_cancellation_ends_the_whole_group(tmp_path):
    script = 'sleep 600 & echo "$$ $!" >"$1.part"; mv "$1.part" "$1"; wait'
    note = tmp_path / "pids"
    running = asyncio.ensure_future(run("sh", "-c", script, "hook", str(note)))
    child, grandchild = map(int, (await written(note)).split())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await is_gone(child)
    assert await is_gone(grandchild)


@pytest.mark.anyio
@pytest.mark.parametrize("turns", range(6))
async def test_cancellation_while_it_starts_leaves_nobody_behind(tmp_path, turns):
    note = tmp_path / "pid"
    script = 'echo $$ >"$1.part"; mv "$1.part" "$1"; exec sleep 600'
    running = asyncio.ensure_future(run("sh", "-c", script, "hook", str(note)))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    if note.exists():
        assert await is_gone(int(note.read_text(encoding="utf-8")))


@pytest.mark.anyio
async def test_the_loop_lives_while_a_command_runs(tmp_path):
    note = tmp_path / "go"
    running = asyncio.ensure_future(
        run("sh", "-c", 'until [ -e "$1" ]; do sleep 0.01; done; echo went', "hook", str(note))
    )
    await asyncio.sleep(0.05)
    note.touch()
    assert (await running).output == "went\n"


@pytest.mark.anyio
async def test_a_command_ended_by_a_signal_has_no_exit_code():
    done = await run("sh", "-c", "echo so; kill -KILL $$")
    assert (done.exit_code, done.output) == (None, "so\n")
    assert done.problem == "was ended by signal 9 (Killed)"


@pytest.mark.anyio
async def test_says_why_a_command_cannot_be_run(tmp_path):
    def made(name, content, mode=0o755):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    cases = {
        "no such program is in PATH": "no-such-program-anywhere",
        "there is no such file": str(tmp_path / "none"),
        "it may not be executed; chmod +x": made("plain", "#!/bin/sh\n", 0o644),
        "it is no program, nor a script": made("bare", "echo hi\n"),
        "the interpreter that its first line": made("lost", "#!/no/such/interpreter\n"),
        "embedded null byte": "a\0b",
    }
    for reason, program in cases.items():
        done = await run(program)
        assert (done.exit_code, done.output) == (None, "")
        assert done.problem.startswith("cannot be run: ")
        assert reason in done.problem
    done = await run("true", cwd=tmp_path / "none")
    assert done.problem.endswith("none does not exist")


@pytest.mark.anyio
async def test_runs_in_the_folder_that_is_said(tmp_path):
    done = await run("pwd", "-P", cwd=tmp_path)
    assert done.output.strip() == str(tmp_path.resolve())


def test_the_environment_has_no_secrets(monkeypatch):
    secrets = {
        "JUNO_TOKEN", "JUNO_SNAP_IDENTITY", "JUNO_SNAP_IDENTITY_PASSWORD",
        "JUNO_SNAP_JUNO_PASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DFX_IDENTITY_PEM",
        "IC_MNEMONIC", "SEED_PHRASE", "deploy_passphrase", "CI_SIGNER",
    }  # fmt: skip
    plain = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "CI", "JUNO_SNAP_CONFIG", "JUNO_SNAP_ROOT_KEY"}
    for name in secrets | plain:
        monkeypatch.setenv(name, "said")
    monkeypatch.setenv("CI_SIGNER", "-----BEGIN EC PRIVATE KEY-----\nnot one, but looks like it\n")
    environment = clean_environment()
    assert not secrets & environment.keys()
    assert plain <= environment.keys()


def test_a_secret_is_passed_only_if_asked_for_and_ours_never(monkeypatch):
    for name in ("WEBHOOK_TOKEN", "OTHER_TOKEN", "JUNO_TOKEN"):
        monkeypatch.setenv(name, "said")
    environment = clean_environment(passed=("WEBHOOK_TOKEN", "JUNO_TOKEN"))
    assert environment["WEBHOOK_TOKEN"] == "said"
    assert not {"OTHER_TOKEN", "JUNO_TOKEN"} & environment.keys()


@pytest.mark.anyio
async def test_a_command_gets_that_environment_and_no_other(monkeypatch):
    monkeypatch.setenv("JUNO_TOKEN", "key material")
    monkeypatch.setenv("PLAIN", "from outside")
    said = {"JUNO_SNAP_POINT": "before-stop", "ODD": "trap\0with a NUL\x1b", "PLAIN": "from us"}
    done = await run("env", environment=said)
    lines = done.output.splitlines()
    assert "JUNO_SNAP_POINT=before-stop" in lines
    assert "ODD=trap\ufffdwith a NUL\ufffd" in lines
    assert "PLAIN=from us" in lines
    assert "key material" not in done.output


def test_printable_keeps_what_people_write():
    assert printable("grün 東京\ttab\nline") == "grün 東京\ttab\nline"
    assert printable("\x1b]0;title\x07\r\ud800") == "\ufffd]0;title\ufffd\ufffd\ufffd"
