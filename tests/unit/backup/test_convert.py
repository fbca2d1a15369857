"""From one layout to another and back: the same bytes and metadata, and what is lost is said."""

import hashlib
import json

import pytest

from juno_snap.backup.convert import convert_backup
from juno_snap.backup.layout import FILES, METADATA
from juno_snap.backup.model import Global
from juno_snap.backup.reader import open_backup
from juno_snap.backup.verify import verify_backup
from juno_snap.errors import BackupError, NotFoundError
from tests.unit.backup.snapshots import (
    SNAPSHOT,
    change_json,
    content,
    f64,
    large,
    noise,
    snapshot,
    write,
)


@pytest.fixture
def ours(tmp_path):
    return write(tmp_path / "ours", large())


def parts_of(backup):
    return {
        part: b"".join(backup.read(e.part, e.offset, e.size) for e in backup.slices(part))
        for part in FILES
    }


def chunks_of(backup):
    return {each: backup.chunk(each) for each in backup.chunks}


def refused(source, target, **options) -> BackupError:
    with pytest.raises(BackupError) as caught:
        convert_backup(source, target, **options)
    assert [each.name for each in target.parent.iterdir() if each.name.startswith(".")] == []
    return caught.value


def test_what_icp_gets_is_what_it_has_in_our_directory(ours, tmp_path):
    converted = convert_backup(ours, tmp_path / "icp", to="icp")
    assert converted.backup.layout == "icp"
    assert content(tmp_path / "icp") == {
        name: data for name, data in content(ours).items() if not name.startswith("juno-snap")
    }
    assert verify_backup(tmp_path / "icp").is_sound
    assert len(converted.remarks) == 1


def test_juno_gets_files_with_hashes_and_none_for_what_is_empty(tmp_path):
    source = snapshot(chunks=(b"only one",))
    ours = write(tmp_path / "ours", source)
    convert_backup(ours, tmp_path / "juno", to="juno")
    files = content(tmp_path / "juno")
    assert sorted(files) == ["chunks-store.bin", "heap.bin", METADATA, "wasm-code.bin"]
    said = json.loads(files[METADATA])
    assert said["snapshotId"] == f"0x{SNAPSHOT}"
    assert said["data"]["stableMemory"] is None
    assert said["data"]["wasmMemory"] == {
        "filename": "heap.bin",
        "size": {"__bigint__": "131072"},
        "hash": hashlib.sha256(source.data["wasm_memory"]).hexdigest(),
    }
    assert said["metadata"]["globals"][1] == {"i64": {"__bigint__": str(2**63 - 1)}}


@pytest.mark.parametrize("way", [["juno"], ["icp"], ["juno", "icp"], ["icp", "juno"]])
def test_there_and_back_nothing_has_changed(tmp_path, way):
    source = snapshot(chunks=(noise("chunk", 700),), stable=bytes(65_536))
    place = write(tmp_path / "0", source)
    for number, to in enumerate(way, 1):
        convert_backup(place, tmp_path / str(number), to=to, snapshot=SNAPSHOT)
        place = tmp_path / str(number)
    backup = open_backup(place)
    assert backup.description.metadata == source.metadata
    assert parts_of(backup) == source.data
    assert tuple(chunks_of(backup).values()) == source.chunks


def test_chunks_that_juno_would_cut_into_others_are_left_out_and_said_to_be(ours, tmp_path):
    converted = convert_backup(ours, tmp_path / "juno", to="juno")
    assert converted.backup.description.metadata.wasm_chunk_store == ()
    assert any("2 stored chunks are left out" in remark for remark in converted.remarks)
    assert "chunks-store.bin" not in content(tmp_path / "juno")


@pytest.mark.parametrize("to", ["icp", "juno"])
def test_a_global_that_json_cannot_say_is_refused_and_named(tmp_path, to):
    globals_ = (Global("i32", 1), Global("f64", f64(0x7FF8000000000000)))
    ours = write(tmp_path / "ours", snapshot(globals_=globals_))
    error = refused(ours, tmp_path / "out", to=to)
    assert error.code == "backup-format"
    assert "global 1 is nan" in error.message
    assert not (tmp_path / "out").exists()


def test_juno_needs_an_id_that_icp_does_not_keep(ours, tmp_path):
    convert_backup(ours, tmp_path / "icp", to="icp")
    error = refused(tmp_path / "icp", tmp_path / "juno", to="juno")
    assert (error.code, "--snapshot" in error.hint) == ("backup-format", True)
    convert_backup(tmp_path / "icp", tmp_path / "juno", to="juno", snapshot=SNAPSHOT)
    assert open_backup(tmp_path / "juno").description.snapshot == SNAPSHOT


def test_a_source_that_is_not_said_is_written_as_a_module_and_told(ours, tmp_path):
    convert_backup(ours, tmp_path / "icp", to="icp")
    change_json(tmp_path / "icp" / METADATA, lambda said: said.pop("source"))
    converted = convert_backup(tmp_path / "icp", tmp_path / "juno", to="juno", snapshot=SNAPSHOT)
    assert converted.backup.description.metadata.source == "taken_from_canister"
    assert any("came from" in remark for remark in converted.remarks)


def test_a_damaged_backup_is_not_carried_on(ours, tmp_path):
    (ours / FILES["stable_memory"]).write_bytes(bytes(65_536))
    assert refused(ours, tmp_path / "icp", to="icp").code == "backup-damaged"
    with pytest.raises(NotFoundError):
        convert_backup(tmp_path / "nowhere", tmp_path / "icp", to="icp")


def test_what_is_there_already_stays(ours, tmp_path):
    (tmp_path / "out").mkdir()
    convert_backup(ours, tmp_path / "out", to="icp")
    before = content(tmp_path / "out")
    assert refused(ours, tmp_path / "out", to="icp").code == "backup-not-empty"
    assert content(tmp_path / "out") == before
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert refused(ours, tmp_path / "file", to="icp").code == "backup-not-empty"
    with pytest.raises(BackupError) as caught:
        convert_backup(ours, tmp_path / "file" / "out", to="icp")
    assert caught.value.code == "backup-not-written"


def test_icp_directories_of_icp_and_of_dfx_are_read(ours, tmp_path):
    """icp makes no file for an empty heap, dfx none for an empty stable memory."""
    source = snapshot(heap=b"", stable=b"", chunks=())
    convert_backup(write(tmp_path / "empty", source), tmp_path / "icp", to="icp")
    (tmp_path / "icp" / FILES["wasm_memory"]).unlink()
    (tmp_path / "icp" / FILES["stable_memory"]).unlink()
    (tmp_path / "icp" / "wasm_chunk_store").rmdir()
    backup = open_backup(tmp_path / "icp")
    assert parts_of(backup) == source.data
    convert_backup(tmp_path / "icp", tmp_path / "again", to="icp")
    assert content(tmp_path / "again")[FILES["wasm_memory"]] == b""


def test_an_icp_directory_with_a_short_or_a_missing_file_is_refused(ours, tmp_path):
    convert_backup(ours, tmp_path / "icp", to="icp")
    for name in content(tmp_path / "icp"):
        data = (tmp_path / "icp" / name).read_bytes()
        for broken in (None, data[:-2]):
            (tmp_path / "icp" / name).unlink()
            if broken is not None:
                (tmp_path / "icp" / name).write_bytes(broken)
            with pytest.raises(BackupError):
                verify_backup(tmp_path / "icp").require_sound()
            (tmp_path / "icp" / name).write_bytes(data)
    assert verify_backup(tmp_path / "icp").is_sound
    (tmp_path / "icp" / ".download_progress.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BackupError) as caught:
        open_backup(tmp_path / "icp")
    assert caught.value.code == "backup-unfinished"


def test_a_juno_directory_is_verified_by_its_hashes(tmp_path):
    source = snapshot(chunks=(b"c",))
    convert_backup(write(tmp_path / "ours", source), tmp_path / "juno", to="juno")
    for name, data in content(tmp_path / "juno").items():
        if name != METADATA:
            (tmp_path / "juno" / name).write_bytes(bytes([data[0] ^ 1]) + data[1:])
            with pytest.raises(BackupError):
                verify_backup(tmp_path / "juno").require_sound()
            (tmp_path / "juno" / name).write_bytes(data)
    assert verify_backup(tmp_path / "juno").is_sound
