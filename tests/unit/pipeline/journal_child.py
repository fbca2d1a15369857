"""Another process that has the journal open; run with ``python -m``, says JSON on its output."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from juno_snap.clock import SystemClock
from juno_snap.errors import JunoSnapError
from juno_snap.pipeline.journal.lock import module_lock
from juno_snap.pipeline.journal.store import Journal
from juno_snap.pipeline.journal.vault import Vault
from tests.unit.pipeline.journal_values import MODULE, ROOT_KEY, call, operation

ROOT = Path(__file__).resolve().parents[3]
NOBODY = 65534
BODY_BYTES = 300_000
RESERVE_BYTES = 1_000_000
LIMIT_BYTES = 200_000


def child_command(verb, *words):
    """How to start this program."""
    return [sys.executable, "-m", "tests.unit.pipeline.journal_child", verb, *map(str, words)]


def start(verb, *words, stdin=subprocess.PIPE):
    """The program, running."""
    command = child_command(verb, *words)
    return subprocess.Popen(command, cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE, text=True)


def answer(command):
    """What it says at its end."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def begin_and_wait(directory):
    """Write an intent, say so, and wait to be killed."""
    journal = Journal.open(directory)
    journal.begin(operation("a"))
    journal.begin_step("a", name="stop", leg="forward", at_ns=2, calls=[call()])
    with module_lock(directory, ROOT_KEY, MODULE, clock=SystemClock()):
        say("begun")
        sys.stdin.read()


def write_steps(directory, name, count):
    """Write many steps, each begun and ended."""
    sys.stdin.readline()
    with Journal.open(directory) as journal:
        journal.begin(operation(name))
        for _ in range(int(count)):
            step = journal.begin_step(name, name="wait", leg="forward", at_ns=2, calls=[call()])
            journal.end_step(name, step.number, state="done", at_ns=3, evidence={"by": name})
        journal.finish(name, outcome="upgraded", at_ns=9, report=None)
    say("done")


def write_large_steps(directory):
    """Write steps with large calls, each to its end, until killed."""
    with Journal.open(directory) as journal:
        journal.begin(operation("a"))
        for number in range(1000):
            signed = call(f"call {number}", body=os.urandom(BODY_BYTES))
            step = journal.begin_step("a", name="x", leg="forward", at_ns=2, calls=[signed])
            ended = [replace(signed, state="replied")]
            journal.end_step("a", step.number, state="done", at_ns=3, evidence={}, calls=ended)
            say("ended")


def open_unprivileged(directory):
    """Open a journal as somebody who is not root, and keep and lock something beside it."""
    Journal.in_memory().close()
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    def lock():
        with module_lock(directory, ROOT_KEY, MODULE, clock=SystemClock()):
            pass

    say([tried(lambda: Journal.open(directory)), tried(lambda: Vault(directory).keep(b"x")),
         tried(lock)])  # fmt: skip


def write_under_a_limit(directory):
    """Write into files that may not grow: first what is kept ready, then a large call."""
    with Journal.open(directory) as journal:
        journal.begin(operation("a"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
        ready = tried(lambda: journal.make_ready(RESERVE_BYTES))
        large = tried(lambda: step(journal, os.urandom(BODY_BYTES)))
        say([ready, large, tried(lambda: step(journal, b"small")), told(journal)])


def write_on_a_full_disk(directory, size):
    """Mount a small disk, begin an operation there, fill the disk, and go on."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    with Journal.open(directory) as journal:
        journal.begin(operation("a"))
        too_much = tried(lambda: journal.make_ready(int(size)))
        journal.make_ready(RESERVE_BYTES)
        fill(directory / "others")
        keep = tried(lambda: Vault(directory).keep(b"w" * 5000))
        for _ in range(2):
            step(journal, os.urandom(BODY_BYTES))
        journal.finish("a", outcome="upgraded", at_ns=9, report={"x": "y" * 1000})
        at_end = told(journal)
        fill(directory / "others")
        begun = tried(lambda: journal.begin(operation("b", program={"x": "y" * 20 * BODY_BYTES})))
        no_room = tried(lambda: journal.make_ready(RESERVE_BYTES))
    fresh = tried(lambda: Journal.open(directory / "fresh"))
    say([too_much, keep, at_end, begun, no_room, fresh])


def fill(path):
    """Leave no room."""
    with path.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def step(journal, body):
    """Write a step with a call, to its end; read it back."""
    signed = call(body=body)
    number = journal.begin_step("a", name="x", leg="forward", at_ns=2, calls=[signed]).number
    assert journal.operation("a").steps[number - 1].calls == (signed,)
    journal.end_step("a", number, state="done", at_ns=3, evidence={})


def told(journal):
    record = journal.operation("a")
    return [record.outcome, [s.state for s in record.steps]]


def tried(verb):
    """The code and the message of the refusal; nothing where there was none."""
    try:
        verb()
    except JunoSnapError as error:
        return [error.code, error.message, error.hint]
    return []


VERBS = {
    verb.__name__: verb
    for verb in (
        begin_and_wait,
        write_steps,
        write_large_steps,
        open_unprivileged,
        write_under_a_limit,
        write_on_a_full_disk,
    )
}

if __name__ == "__main__":
    VERBS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
