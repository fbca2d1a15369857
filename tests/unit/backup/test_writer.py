"""The writer: slices in any order, interrupted and taken up, and nothing mixed."""

import hashlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from juno_snap.backup.layout import BEGUN, FILES, MANIFEST, METADATA, SLICES, Slice
from juno_snap.backup.model import Global
from juno_snap.backup.reader import open_backup
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import BackupWriter, begun_description
from juno_snap.errors import BackupError, LockedError
from juno_snap.ids import SnapshotId
from tests.chance import Chance
from tests.unit.backup.snapshots import (
    MODULE,
    content,
    cut,
    f32,
    f64,
    fill,
    large,
    snapshot,
    write,
)

OTHER = SnapshotId.parse("0000000000000001800000000010000a0101")


def refused(directory, description) -> BackupError:
    with pytest.raises(BackupError) as caught:
        BackupWriter(directory, description)
    return caught.value


def run_program(text, directory):
    """A program in another process, which may have other rights and limits."""
    return subprocess.run(
        [sys.executable, "-c", text, str(directory)],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_was_written_is_read(tmp_path):
    source = large()
    backup = open_backup(write(tmp_path / "b", source))
    assert (backup.layout, backup.description) == ("juno-snap", source.description)
    for part, data in source.data.items():
        read = [backup.read(each.part, each.offset, each.size) for each in backup.slices(part)]
        assert b"".join(read) == data
    for chunk in source.chunks:
        assert backup.chunk(hashlib.sha256(chunk).digest()) == chunk
    assert backup.manifest.code_hash == hashlib.sha256(source.data["wasm_module"]).digest()
    assert verify_backup(backup.path).is_sound


def test_the_directory_is_what_other_tools_read(tmp_path):
    source = snapshot()
    written = content(write(tmp_path / "b", source))
    chunks = {f"wasm_chunk_store/{hashlib.sha256(each).hexdigest()}.bin" for each in source.chunks}
    assert set(written) == {*FILES.values(), METADATA, MANIFEST, BEGUN, *chunks}
    assert written["stable_memory.bin"] == b""
    said = json.loads(written[METADATA])
    assert list(said) == [
        "source", "taken_at_timestamp", "wasm_module_size", "globals", "wasm_memory_size",
        "stable_memory_size", "wasm_chunk_store", "canister_version", "certified_data",
        "global_timer", "on_low_wasm_memory_hook_status",
    ]  # fmt: skip
    assert said["source"] == {"taken_from_canister": None}
    assert said["global_timer"] == {"active": 2**63 + 1}
    assert said["globals"][0:3] == [
        {"i32": -(2**31)}, {"i64": 2**63 - 1}, {"i64": 9_007_199_254_740_993},
    ]  # fmt: skip
    full = 2**32 - 1
    assert said["globals"][6:] == [{"v128": [full - 1, full, full, full]}, {"v128": []}]


def test_only_the_owner_may_read_it(tmp_path):
    directory = write(tmp_path / "b", snapshot())
    modes = {place.stat().st_mode & 0o777 for place in [directory, *directory.rglob("*")]}
    assert modes == {0o700, 0o600}


def test_every_order_of_slices_gives_the_same_backup(tmp_path):
    source = large()
    wanted = content(write(tmp_path / "undisturbed", source))
    with BackupWriter(tmp_path / "first", source.description) as writer:
        slices = writer.missing()
    assert len(slices) == 6
    chance = Chance(5)
    for number, order in enumerate(chance.sample(list(itertools.permutations(slices)), 12)):
        with BackupWriter(tmp_path / str(number), source.description) as writer:
            for each in order:
                writer.write_slice(each.part, each.offset, cut(source, each))
            fill(writer, source)
            writer.finish()
        assert content(tmp_path / str(number)) == wanted


@pytest.mark.parametrize("arrived", range(7))
def test_it_goes_on_where_it_was_left(tmp_path, arrived):
    source = large()
    with BackupWriter(tmp_path / "b", source.description) as writer:
        slices = writer.missing()
        for each in slices[::-1][:arrived]:
            writer.write_slice(each.part, each.offset, cut(source, each))
    assert begun_description(tmp_path / "b") == source.description
    with BackupWriter(tmp_path / "b", source.description) as writer:
        assert writer.is_resumed
        assert set(writer.missing()) == set(slices[::-1][arrived:])
        assert writer.done_bytes == writer.total_bytes - sum(e.size for e in writer.missing())
        fill(writer, source)
        writer.finish()
    assert content(tmp_path / "b") == content(write(tmp_path / "undisturbed", source))
    assert begun_description(tmp_path / "b") is None


def test_a_slice_that_the_log_claims_and_the_disk_lost_is_missing(tmp_path):
    source = large()
    with BackupWriter(tmp_path / "b", source.description) as writer:
        slices = writer.missing()
        fill(writer, source)
    heap = tmp_path / "b" / FILES["wasm_memory"]
    os.truncate(heap, slices[3].offset + 1)
    module = tmp_path / "b" / FILES["wasm_module"]
    module.write_bytes(b"\0" + module.read_bytes()[1:])
    chunk = next((tmp_path / "b" / "wasm_chunk_store").iterdir())
    chunk.write_bytes(b"")
    with BackupWriter(tmp_path / "b", source.description) as writer:
        lost = {slices[0], slices[3], slices[4]}
        assert set(writer.missing()) == lost
        assert [each.hex() for each in writer.missing_chunks()] == [chunk.stem]
        fill(writer, source)
        writer.finish()
    assert content(tmp_path / "b") == content(write(tmp_path / "undisturbed", source))


@pytest.mark.parametrize("torn", [b"wasm_mem", b"wasm_module 0 zz\n", b"\xff\n", b"wasm_module 7"])
def test_a_torn_line_of_the_log_is_no_claim(tmp_path, torn):
    source = large()
    with BackupWriter(tmp_path / "b", source.description) as writer:
        first, *rest = writer.missing()
        writer.write_slice(first.part, first.offset, cut(source, first))
    with (tmp_path / "b" / SLICES).open("ab") as log:
        log.write(torn)
    with BackupWriter(tmp_path / "b", source.description) as writer:
        assert writer.missing() == tuple(rest)
        fill(writer, source)
    with BackupWriter(tmp_path / "b", source.description) as writer:
        assert writer.missing() == ()
        writer.finish()


@pytest.mark.parametrize("left", [".juno-snap.begun.json.x1", ".metadata.json.x2"])
def test_what_a_crash_left_of_a_small_file_goes(tmp_path, left):
    source = snapshot()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / left).write_bytes(b"half")
    assert content(write(tmp_path / "b", source)) == content(write(tmp_path / "c", source))


def test_two_snapshots_are_not_mixed(tmp_path):
    source = snapshot()
    with BackupWriter(tmp_path / "b", source.description):
        pass
    before = content(tmp_path / "b")
    others = [
        replace(source.description, snapshot=OTHER),
        replace(source.description, module=None),
        replace(source.description, root_key_sha256=b"\1" * 32),
        snapshot(globals_=()).description,
        snapshot(heap=b"").description,
    ]
    for other in others:
        error = refused(tmp_path / "b", other)
        assert (error.code, error.path) == ("backup-of-another-snapshot", str(tmp_path / "b"))
    assert content(tmp_path / "b") == before


def test_a_label_that_changed_meanwhile_does_not_matter(tmp_path):
    source = snapshot(label="first")
    with BackupWriter(tmp_path / "b", source.description):
        pass
    with BackupWriter(tmp_path / "b", replace(source.description, label="second")) as writer:
        assert writer.description.label == "first"


def test_a_finished_backup_is_not_written_to(tmp_path):
    source = snapshot()
    before = content(write(tmp_path / "b", source))
    assert refused(tmp_path / "b", source.description).code == "backup-finished"
    other = replace(source.description, snapshot=OTHER)
    assert refused(tmp_path / "b", other).code == "backup-of-another-snapshot"
    assert content(tmp_path / "b") == before


def test_a_directory_with_other_files_is_not_used(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine", encoding="utf-8")
    error = refused(tmp_path / "b", snapshot().description)
    assert (error.code, "notes.txt" in error.message) == ("backup-not-empty", True)
    assert content(tmp_path / "b") == {"notes.txt": b"mine"}


def test_only_one_writes_at_a_time(tmp_path):
    description = snapshot().description
    with BackupWriter(tmp_path / "b", description), pytest.raises(LockedError):
        BackupWriter(tmp_path / "b", description)
    with BackupWriter(tmp_path / "b", description) as writer:
        assert writer.missing()


def test_nothing_unfinished_becomes_a_backup(tmp_path):
    source = snapshot()
    with BackupWriter(tmp_path / "b", source.description) as writer:
        with pytest.raises(BackupError) as caught:
            writer.finish()
        assert caught.value.code == "backup-unfinished"
    assert set(content(tmp_path / "b")) == {*FILES.values(), BEGUN, SLICES}
    with pytest.raises(BackupError) as caught:
        open_backup(tmp_path / "b")
    assert caught.value.code == "backup-unfinished"


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 5), (1, 64), (-2_000_000, 64), (2_000_000, 64), (0, 65), (0, 0)]
)
def test_what_is_no_whole_slice_is_refused(tmp_path, offset, size):
    with (
        BackupWriter(tmp_path / "b", snapshot().description) as writer,
        pytest.raises(BackupError) as caught,
    ):
        writer.write_slice("wasm_module", offset, bytes(size))
    assert caught.value.code == "backup-wrong-data"


def test_a_chunk_with_another_hash_is_refused(tmp_path):
    with BackupWriter(tmp_path / "b", snapshot().description) as writer:
        wanted = writer.missing_chunks()
        for chunk_hash in (wanted[0], hashlib.sha256(b"stranger").digest()):
            with pytest.raises(BackupError):
                writer.write_chunk(chunk_hash, b"stranger" if chunk_hash in wanted else b"x")
        assert writer.missing_chunks() == wanted


def test_a_chunk_larger_than_the_network_has_is_refused(tmp_path):
    too_large = bytes(1_048_577)
    with (
        BackupWriter(tmp_path / "b", snapshot(chunks=(too_large,)).description) as writer,
        pytest.raises(BackupError),
    ):
        writer.write_chunk(hashlib.sha256(too_large).digest(), too_large)


def test_a_file_that_somebody_made_longer_is_found_before_the_manifest(tmp_path):
    source = snapshot()
    with BackupWriter(tmp_path / "b", source.description) as writer:
        fill(writer, source)
        with (tmp_path / "b" / FILES["stable_memory"]).open("ab") as file:
            file.write(b"!")
        with pytest.raises(BackupError):
            writer.finish()
    assert MANIFEST not in content(tmp_path / "b")


def test_floats_that_json_cannot_say_are_kept_exactly(tmp_path):
    strange = (
        Global("f64", f64(0x7FF8000000000001)),
        Global("f64", f64(0xFFF0000000000000)),
        Global("f32", f32(0xFFC12345)),
        Global("f32", f32(0x7F800000)),
    )
    backup = open_backup(write(tmp_path / "b", snapshot(globals_=strange)))
    assert backup.description.metadata.globals == strange
    assert json.loads((backup.path / METADATA).read_bytes())["globals"][0] == {"f64": None}
    assert any("NaN" in remark for remark in backup.remarks)
    assert verify_backup(backup.path).is_sound


def test_a_snapshot_that_the_network_cannot_have_is_not_begun(tmp_path):
    for impossible in (snapshot(heap=b"no page"), snapshot(module=b"")):
        assert refused(tmp_path / "b", impossible.description).code == "backup-impossible"
    assert not (tmp_path / "b").exists()


def test_a_target_that_is_no_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    error = refused(tmp_path / "file" / "b", snapshot().description)
    assert (error.code, error.path) == ("backup-not-written", str(tmp_path / "file" / "b"))


def test_a_disk_without_room_is_refused_before_the_first_slice(tmp_path):
    huge = replace(snapshot().description.metadata, stable_memory_bytes=2**60)
    error = refused(tmp_path / "b", replace(snapshot().description, metadata=huge))
    assert (error.code, error.path) == ("backup-no-room", str(tmp_path / "b"))


FULL = """
import resource, sys
from pathlib import Path
from juno_snap.backup.writer import BackupWriter
from juno_snap.errors import BackupError
from tests.unit.backup.snapshots import fill, large
source = large()
with BackupWriter(Path(sys.argv[1]), source.description) as writer:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
    try:
        fill(writer, source)
    except BackupError as error:
        print(error.code, error.path)
"""


def test_a_file_that_may_not_grow_leaves_what_can_be_taken_up(tmp_path):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    directory = tmp_path / "b"
    ran = run_program(FULL, directory)
    heap = directory / FILES["wasm_memory"]
    assert ran.stdout.split() == ["backup-not-written", str(heap)], ran.stderr
    source = large()
    with BackupWriter(directory, source.description) as writer:
        assert Slice("stable_memory", 0, 65_536) not in writer.missing()
        fill(writer, source)
        writer.finish()
    assert content(directory) == content(write(tmp_path / "undisturbed", source))


READ_ONLY = """
import os, sys
from pathlib import Path
from juno_snap.backup.writer import BackupWriter
from juno_snap.errors import BackupError
from tests.unit.backup.snapshots import snapshot
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    BackupWriter(Path(sys.argv[1]), snapshot().description)
except BackupError as error:
    print(error.code, error.path)
"""


def test_a_read_only_target_is_named_and_what_is_there_stays():
    source = snapshot()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        directory = folder / "b"
        with BackupWriter(directory, source.description) as writer:
            fill(writer, source)
        before = content(directory)
        for place in [directory, *directory.rglob("*")]:
            place.chmod(0o555 if place.is_dir() else 0o444)
        ran = run_program(READ_ONLY, directory)
        assert ran.stdout.split() == ["backup-not-written", str(directory / SLICES)], ran.stderr
        for place in [directory, *directory.rglob("*")]:
            place.chmod(0o700 if place.is_dir() else 0o600)
        assert content(directory) == before
        with BackupWriter(directory, source.description) as writer:
            assert (writer.missing(), writer.missing_chunks()) == ((), ())
            writer.finish()


def test_the_module_is_known_by_its_id(tmp_path):
    assert open_backup(write(tmp_path / "b", snapshot())).description.module == MODULE
