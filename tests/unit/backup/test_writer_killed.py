"""The writer's process is killed, again and again; and how much it holds in memory."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

from juno_snap.backup.layout import SLICE_BYTES, SLICES
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import BackupWriter
from juno_snap.units import WASM_PAGE_BYTES
from tests.unit.backup.snapshots import content, cut, large, snapshot, write

BACKUPS = 20

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from juno_snap.backup.layout import MANIFEST
from juno_snap.backup.writer import BackupWriter
from tests.chance import Chance
from tests.unit.backup.snapshots import cut, fill, large

source, chance = large(), Chance(3)

def write_until(directory, moment):
    seen = 0

    def step():
        nonlocal seen
        seen += 1
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def observe(event, arguments):
        if event in {"open", "os.rename", "os.remove", "os.truncate"}:
            step()

    sys.addaudithook(observe)
    with BackupWriter(directory, source.description) as writer:
        for each in writer.missing():
            step()
            writer.write_slice(each.part, each.offset, cut(source, each))
            step()
        fill(writer, source)
        step()
        writer.finish()

for number in range(int(sys.argv[2])):
    directory = Path(sys.argv[1], str(number))
    kills = 0
    while not (directory / MANIFEST).exists():
        moment = 1 + chance.below(60)
        child = os.fork()
        if child == 0:
            write_until(directory, moment)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        elif status:
            sys.exit(f"a writer failed at moment {moment}")
    print(kills)
"""


def test_a_writer_that_is_killed_at_any_moment_is_taken_up(tmp_path):
    """Moments are the files it opens, renames and removes, and the slices before and after."""
    ran = subprocess.run(
        [sys.executable, "-c", WRITE_AND_DIE, str(tmp_path), str(BACKUPS)],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert sum(map(int, ran.stdout.split())) >= BACKUPS
    wanted = content(write(tmp_path / "undisturbed", large()))
    for number in range(BACKUPS):
        found = content(tmp_path / str(number))
        found.pop(SLICES, None)  # where it was killed after the manifest
        assert found == wanted, number


def test_memory_does_not_grow_with_what_is_written(tmp_path):
    peaks = []
    for pages in (250, 1250):
        source = snapshot(heap=bytes(pages * WASM_PAGE_BYTES), chunks=())
        with BackupWriter(tmp_path / str(pages), source.description) as writer:
            tracemalloc.start()
            for each in reversed(writer.missing()):
                writer.write_slice(each.part, each.offset, cut(source, each))
            writer.finish()
            assert verify_backup(tmp_path / str(pages)).is_sound
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + SLICE_BYTES
    assert peaks[1] < 5 * SLICE_BYTES
