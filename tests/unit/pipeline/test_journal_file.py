import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from juno_snap.errors import LockedError, PreconditionError
from juno_snap.pipeline.journal import JOURNAL_FILE
from juno_snap.pipeline.journal.refusals import REFUSALS
from juno_snap.pipeline.journal.store import Journal
from tests.chance import Chance
from tests.unit.pipeline.journal_child import answer, child_command, start
from tests.unit.pipeline.journal_values import (
    MODULE,
    OTHER_MODULE,
    ROOT_KEY,
    call,
    note,
    operation,
    snapshot,
)

TMPFS_BYTES = 8_000_000
DAMAGES = 250


def can_mount():
    tried = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def everything(journal):
    """All that a journal says."""
    notes = [journal.notes(ROOT_KEY, module) for module in (MODULE, OTHER_MODULE)]
    return journal.history(limit=1000), journal.unfinished(ROOT_KEY), journal.needed(), notes


def write_a_story(journal):
    """Some operations, finished and not; yields after each write."""
    for name in ("a", "b", "c"):
        journal.begin(operation(name, module=OTHER_MODULE if name == "b" else MODULE))
        yield
        for what in ("stop", "snapshot", "install"):
            signed = call(what, body=f"envelope {name} {what} ".encode() * 40)
            step = journal.begin_step(
                name, name=what, leg="forward", at_ns=2, seen={"version": 7}, calls=[signed]
            )
            yield
            taken = [note(ord(name), operation=name, label=name)] if what == "snapshot" else []
            journal.end_step(
                name, step.number, state="done", at_ns=3, evidence={"hash": "ab" * 32}, notes=taken
            )
            yield
        if name != "c":
            journal.finish(name, outcome="upgraded", at_ns=9, report={"text": name * 300})
            yield


def refused(directory):
    with pytest.raises(PreconditionError) as caught:
        Journal.open(directory)
    assert str(directory / JOURNAL_FILE) in caught.value.message
    return caught.value


def test_the_journal_is_for_its_owner_only(tmp_path):
    directory = tmp_path / "deep" / "state"
    with Journal.open(directory) as journal:
        journal.begin(operation())
        journal.make_ready(100_000)
        assert mode_of(directory) == 0o700
        assert {path.name: mode_of(path) for path in directory.iterdir()} == {
            "journal.sqlite": 0o600,
            "journal.sqlite-wal": 0o600,
            "journal.sqlite-shm": 0o600,
        }
    assert [path.name for path in directory.iterdir()] == ["journal.sqlite"]


def test_a_copy_that_everybody_can_read_is_closed_to_them(tmp_path):
    Journal.open(tmp_path).close()
    (tmp_path / JOURNAL_FILE).chmod(0o644)
    Journal.open(tmp_path).close()
    assert mode_of(tmp_path / JOURNAL_FILE) == 0o600


def test_a_directory_with_unusual_letters_can_hold_it(tmp_path):
    directory = tmp_path / "a ?#%41 \N{SNOWMAN}"
    with Journal.open(directory) as journal:
        journal.begin(operation("a"))
    with Journal.open(directory) as journal:
        assert journal.operation("a").begun == operation("a")


def test_every_write_waits_for_the_disk_and_removed_bytes_are_overwritten(tmp_path):
    with Journal.open(tmp_path) as journal:
        pragma = journal._database._pragma
        assert [pragma(f"{name}") for name in ("journal_mode", "synchronous", "secure_delete")] == [
            "wal",
            2,  # FULL
            1,
        ]


def test_a_newer_format_is_refused_and_left_alone(tmp_path):
    Journal.open(tmp_path).close()
    path = tmp_path / JOURNAL_FILE
    raw = sqlite3.connect(path)
    raw.executescript(
        "UPDATE journal_format SET version = 3, made_by = '7.1.0';"
        "ALTER TABLE journal_format ADD COLUMN more TEXT; DROP TABLE calls"
    )
    raw.close()
    before = path.read_bytes()
    error = refused(tmp_path)
    assert error.code == "journal-newer"
    assert "format 3 (juno-snap 7.1.0)" in error.message
    assert "reads format 1" in error.message
    assert "newer juno-snap" in error.hint
    assert "--state" in error.hint
    assert path.read_bytes() == before


def other_database(path):
    path.unlink()
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE bookmarks (url TEXT)")
    raw.close()


def older_format(path):
    raw = sqlite3.connect(path)
    with raw:
        raw.execute("UPDATE journal_format SET version = 0")
    raw.close()


def no_format(path):
    raw = sqlite3.connect(path)
    with raw:
        raw.execute("DELETE FROM journal_format")
    raw.close()


def only_the_log(path):
    path.rename(path.with_name("journal.sqlite-wal"))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_text("not a database\n" * 100), id="text"),
        pytest.param(lambda path: os.truncate(path, 0), id="empty"),
        pytest.param(lambda path: os.truncate(path, 50), id="cut in its header"),
        pytest.param(lambda path: os.truncate(path, 40_000), id="cut in a page"),
        pytest.param(lambda path: os.truncate(path, 16384 * 3), id="cut after a page"),
        pytest.param(other_database, id="of another program"),
        pytest.param(older_format, id="format 0"),
        pytest.param(no_format, id="no format"),
        pytest.param(only_the_log, id="only its log is left"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path, spoil):
    with Journal.open(tmp_path) as journal:
        list(write_a_story(journal))
    spoil(tmp_path / JOURNAL_FILE)
    error = refused(tmp_path)
    assert error.code == "journal-damaged"
    assert "put back a copy" in error.hint


def test_a_damaged_file_is_refused_or_tells_the_truth(tmp_path):
    whole, spoilt = tmp_path / "whole", tmp_path / "spoilt"
    with Journal.open(whole) as journal:
        list(write_a_story(journal))
        truth = everything(journal)
    spoilt.mkdir()
    good = (whole / JOURNAL_FILE).read_bytes()
    chance, found = Chance(4), []
    used = [place for place, byte in enumerate(good) if byte]
    for _ in range(DAMAGES):
        bad = bytearray(good)
        place = chance.choose(used)
        bad[place] ^= 1 + chance.below(255)
        (spoilt / JOURNAL_FILE).write_bytes(bad)
        try:
            with Journal.open(spoilt) as journal:
                assert everything(journal) == truth, place
            found.append("true")
        except PreconditionError as error:
            found.append(error.code)
    assert found.count("journal-damaged") > DAMAGES // 2
    assert set(found) <= {"true", "journal-damaged", "journal-newer", "journal-read-only"}


def test_a_changed_letter_in_a_row_is_noticed(tmp_path):
    with Journal.open(tmp_path) as journal:
        list(write_a_story(journal))
    path = tmp_path / JOURNAL_FILE
    data = path.read_bytes()
    assert b'{"version":7}' in data
    path.write_bytes(data.replace(b'{"version":7}', b'{"version":8}'))
    with Journal.open(tmp_path) as journal:
        for verb in (journal.history, lambda: journal.operation("a")):
            with pytest.raises(PreconditionError, match="a row of steps was changed") as caught:
                verb()
            assert caught.value.code == "journal-damaged"


def test_a_damaged_log_tells_how_it_was_at_an_earlier_write_or_is_refused(tmp_path):
    whole, spoilt = tmp_path / "whole", tmp_path / "spoilt"
    spoilt.mkdir()
    with Journal.open(whole) as journal:
        truths = [everything(journal)]
        for _ in write_a_story(journal):
            truths.append(everything(journal))
            if len(truths) == 7:  # a finished operation empties the log
                break
        good = {name: (whole / name).read_bytes() for name in (JOURNAL_FILE, f"{JOURNAL_FILE}-wal")}
    chance, earlier = Chance(5), 0
    assert len(good[f"{JOURNAL_FILE}-wal"]) > 100_000
    for turn in range(100):
        for name, data in good.items():
            bad = bytearray(data)
            if name.endswith("-wal"):
                at = chance.below(len(bad))
                if turn % 2:
                    del bad[at:]
                else:
                    bad[at] ^= 1 + chance.below(255)
            (spoilt / name).write_bytes(bad)
        with Journal.open(spoilt) as journal:
            told = everything(journal)
        assert told in truths
        earlier += told != truths[-1]
    assert earlier > 50


def test_an_intent_outlives_the_process_that_is_killed(tmp_path):
    child = start("begin_and_wait", tmp_path)
    with child:
        assert child.stdout.readline() == '"begun"\n'
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    with Journal.open(tmp_path) as journal:
        (record,) = journal.unfinished(ROOT_KEY, MODULE)
        assert (record.begun, record.pid) == (operation("a"), child.pid)
        (step,) = record.steps
        assert (step.state, step.calls) == ("begun", (call(),))
        journal.end_step("a", 1, state="done", at_ns=4, evidence={})
        journal.finish("a", outcome="upgraded", at_ns=5, report=None)
        assert journal.unfinished(ROOT_KEY) == ()


def test_processes_that_write_at_once_lose_nothing_of_each_other(tmp_path):
    """They also meet when there is no file yet."""
    children = [start("write_steps", tmp_path, name, 20) for name in ("a", "b", "c")]
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        with child:
            assert child.stdout.read() == '"done"\n'
    with Journal.open(tmp_path) as journal:
        found = {record.begun.id: record for record in journal.history()}
    assert set(found) == {"a", "b", "c"}
    for name, record in found.items():
        assert [step.number for step in record.steps] == list(range(1, 21))
        assert {step.evidence["by"] for step in record.steps} == {name}
        assert record.outcome == "upgraded"
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == [JOURNAL_FILE]


def test_who_waits_too_long_for_another_process_is_told_so(tmp_path):
    Journal.open(tmp_path).close()
    path = tmp_path / JOURNAL_FILE
    first, second = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in range(2))
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        second.execute("BEGIN IMMEDIATE")
    first.close()
    second.close()
    error = REFUSALS.of_sqlite_error(str(path), caught.value)
    assert isinstance(error, LockedError)
    assert (error.code, str(path) in error.message) == ("journal-busy", True)


@pytest.mark.parametrize(
    ("file_mode", "directory_mode"),
    [
        pytest.param(None, 0o555, id="no file, and the directory does not take one"),
        pytest.param(0o644, 0o555, id="neither file nor directory"),
        pytest.param(0o444, 0o777, id="the file"),
        pytest.param(0o600, 0o777, id="the file of somebody else"),
    ],
)
def test_what_cannot_be_written_is_refused(file_mode, directory_mode):
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "state"
        Path(folder).chmod(0o755)
        Journal.open(directory).close()
        path = directory / JOURNAL_FILE
        if file_mode is None:
            path.unlink()
        else:
            path.chmod(file_mode if os.getuid() == 0 else file_mode & 0o444)
        directory.chmod(directory_mode)
        opened, kept, locked = answer(child_command("open_unprivileged", directory))
        directory.chmod(0o700)
    assert opened[0] == "journal-read-only"
    assert str(path) in opened[1]
    assert "--state" in opened[2]
    can_make = directory_mode == 0o777
    assert (kept[:1], locked[:1]) == (([], []) if can_make else (["journal-read-only"],) * 2)


def test_a_folder_or_a_file_in_the_wrong_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    assert refused(tmp_path / "file").code == "journal-read-only"
    (tmp_path / "state" / JOURNAL_FILE).mkdir(parents=True)
    assert refused(tmp_path / "state").code == "journal-read-only"


def test_files_that_may_not_grow_are_full(tmp_path):
    ready, large, small, told = answer(child_command("write_under_a_limit", tmp_path))
    assert (ready[0], large[0]) == ("journal-full", "journal-full")
    assert str(tmp_path / JOURNAL_FILE) in ready[1]
    assert small == []
    assert told == [None, ["done"]]


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a file system")
def test_an_operation_that_has_begun_is_written_to_its_end_on_a_full_disk(tmp_path):
    directory = tmp_path / "disk"
    directory.mkdir()
    command = child_command("write_on_a_full_disk", directory, TMPFS_BYTES)
    too_much, keep, at_end, begun, no_room, fresh = answer(["unshare", "-Urm", *command])
    assert too_much[0] == "journal-full"
    assert keep[0] == "journal-full"
    assert at_end == ["upgraded", ["done", "done"]]
    assert begun[0] == "journal-full"
    assert no_room[0] == "journal-full"
    assert fresh[0] == "journal-full"
    assert "free some space" in no_room[2]


def held_without_a_name(directory):
    """Bytes on the disk of files in ``directory`` that are open and have no name there."""
    held = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith(str(directory)) and target.endswith(" (deleted)"):
                held += link.stat().st_blocks * 512
    return held


def test_room_is_kept_for_each_copy_of_a_byte_until_the_journal_is_closed(tmp_path):
    with Journal.open(tmp_path) as journal:
        assert held_without_a_name(tmp_path) == 0
        journal.make_ready(1_000_000)
        assert held_without_a_name(tmp_path) >= 3_000_000
        journal.make_ready(2_000_000)
        journal.make_ready(1000)
        assert held_without_a_name(tmp_path) >= 6_000_000
    assert held_without_a_name(tmp_path) == 0


def test_snapshots_are_known_across_processes(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.note(ROOT_KEY, MODULE, note(label="gold", is_protected=True))
    with Journal.open(tmp_path) as journal:
        assert journal.notes(ROOT_KEY, MODULE) == {
            snapshot(): note(label="gold", is_protected=True)
        }
