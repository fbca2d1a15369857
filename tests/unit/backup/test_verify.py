"""Verification: one flipped bit anywhere, and whatever else can be wrong with a directory."""

import json
import os
import shutil
from hashlib import sha256

import pytest

from juno_snap.backup import layout
from juno_snap.backup.layout import BEGUN, CHUNKS, FILES, MANIFEST, METADATA
from juno_snap.backup.reader import open_backup
from juno_snap.backup.verify import verify_backup
from juno_snap.errors import BackupError, NotFoundError
from juno_snap.events import BytesMoved
from tests.chance import Chance
from tests.unit.backup.snapshots import change_json, content, snapshot, write

POSITIONS = 100


@pytest.fixture
def backup(tmp_path):
    return write(tmp_path / "backup", snapshot())


def is_refused(directory) -> bool:
    try:
        verify_backup(directory).require_sound()
    except BackupError:
        return True
    return False


def flip(place, bit: int) -> None:
    data = bytearray(place.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    place.write_bytes(data)


def test_a_sound_backup_is_sound(backup):
    seen = []
    verification = verify_backup(backup, observer=seen.append)
    assert (verification.is_sound, verification.remarks) == (True, ())
    done = [event.done_bytes for event in seen if isinstance(event, BytesMoved)]
    assert done == sorted(done)
    assert done[-1] == seen[-1].total_bytes


@pytest.mark.parametrize("seed", [1])
def test_one_flipped_bit_anywhere_is_found(backup, seed):
    chance = Chance(seed)
    files = content(backup)
    total_bits = sum(len(data) for data in files.values()) * 8
    for _ in range(POSITIONS):
        bit = chance.below(total_bits)
        for name, data in files.items():
            if bit < len(data) * 8:
                flip(backup / name, bit)
                assert is_refused(backup), (name, bit)
                flip(backup / name, bit)
                break
            bit -= len(data) * 8
    assert verify_backup(backup).is_sound


@pytest.mark.parametrize("name", [MANIFEST, BEGUN, METADATA])
def test_flipped_bits_of_what_describes_a_backup_is_found(backup, name):
    """Most random positions lie in the memory; these files have to be proof, too."""
    bits = len((backup / name).read_bytes()) * 8
    for bit in range(0, bits, 97):
        flip(backup / name, bit)
        assert is_refused(backup), bit
        flip(backup / name, bit)
    assert verify_backup(backup).is_sound


def names_of(directory):
    return sorted(content(directory))


def test_every_file_is_missed_noticed_when_cut_and_when_grown(backup):
    names = names_of(backup)
    assert len(names) == 8
    for name in names:
        data = (backup / name).read_bytes()
        (backup / name).unlink()
        assert is_refused(backup), f"{name} is missing"
        (backup / name).write_bytes(data + b"\n")
        assert is_refused(backup), f"{name} has grown"
        if data:
            (backup / name).write_bytes(data[:-1])
            assert is_refused(backup), f"{name} is cut"
            (backup / name).write_bytes(b"")
            assert is_refused(backup), f"{name} is empty"
        (backup / name).write_bytes(data)
        assert verify_backup(backup).is_sound


def test_a_lost_manifest_is_not_taken_for_the_backup_of_another_tool(backup):
    (backup / MANIFEST).unlink()
    with pytest.raises(BackupError) as caught:
        open_backup(backup)
    assert caught.value.code == "backup-unfinished"


def test_every_problem_is_told_with_its_file(backup):
    for name in (FILES["wasm_module"], FILES["wasm_memory"]):
        flip(backup / name, 77)
    verification = verify_backup(backup)
    assert [each.file for each in verification.findings] == [
        FILES["wasm_module"],
        FILES["wasm_memory"],
    ]
    with pytest.raises(BackupError) as caught:
        verification.require_sound()
    assert (caught.value.code, caught.value.path) == ("backup-damaged", str(backup))
    assert FILES["wasm_module"] in caught.value.message
    assert "1 more" in caught.value.message


def test_what_verify_ends_at_does_not_send_to_verify(backup):
    (backup / FILES["wasm_module"]).write_bytes(b"cut")
    with pytest.raises(BackupError) as caught:
        verify_backup(backup)
    assert caught.value.hint == "take another backup, or use an older one"


@pytest.mark.parametrize("name", [FILES["wasm_memory"], METADATA, BEGUN, MANIFEST])
def test_a_file_of_another_snapshot_is_found(backup, tmp_path, name):
    other = write(tmp_path / "other", snapshot(heap=bytes(2 * 65_536), taken_at_ns=5))
    shutil.copy(other / name, backup / name)
    assert is_refused(backup)


def test_metadata_that_a_manifest_was_made_for_and_that_contradicts_it_is_found(backup):
    """The digests are right: whoever wrote this manifest hashed the file of another snapshot."""
    change_json(backup / METADATA, lambda said: said.update(canister_version=6))
    manifest = layout.parse_manifest((backup / MANIFEST).read_bytes(), backup / MANIFEST)
    data = (backup / METADATA).read_bytes()
    files = [
        layout.FileEntry(name=each.name, size_bytes=len(data), sha256=sha256(data).digest())
        if each.name == METADATA
        else each
        for each in manifest.files
    ]
    changed = layout.Manifest(description=manifest.description, files=tuple(files))
    (backup / MANIFEST).write_bytes(layout.render_manifest(changed))
    assert [each.file for each in verify_backup(backup).findings] == [METADATA]


@pytest.mark.parametrize("name", [FILES["wasm_module"], MANIFEST, f"{CHUNKS}/*"])
def test_a_link_is_refused_even_to_the_same_bytes(backup, tmp_path, name):
    place = next(backup.glob(name))
    moved = tmp_path / "moved"
    place.rename(moved)
    place.symlink_to(moved)
    with pytest.raises(BackupError) as caught:
        verify_backup(backup)
    assert (caught.value.code, caught.value.path) == ("backup-link", str(place))


def test_a_folder_of_chunks_that_lies_elsewhere_is_refused(backup, tmp_path):
    (backup / CHUNKS).rename(tmp_path / "chunks")
    (backup / CHUNKS).symlink_to(tmp_path / "chunks")
    with pytest.raises(BackupError) as caught:
        verify_backup(backup)
    assert caught.value.code == "backup-link"


def test_a_pipe_or_a_folder_in_place_of_a_file_does_not_hold_us(backup):
    place = backup / FILES["stable_memory"]
    place.unlink()
    os.mkfifo(place)
    assert is_refused(backup)
    place.unlink()
    place.mkdir()
    assert is_refused(backup)


@pytest.mark.parametrize("name", [MANIFEST, BEGUN])
def test_a_newer_format_is_said_to_be_newer(backup, name):
    change_json(backup / name, lambda said: said.update(version=2))
    if name == BEGUN:
        (backup / MANIFEST).unlink()
    place = backup / name
    parse = layout.parse_manifest if name == MANIFEST else layout.parse_begun
    with pytest.raises(BackupError) as caught:
        parse(place.read_bytes(), place)
    assert caught.value.code == "backup-newer"


def test_what_other_tools_leave_behind_is_told_and_harms_nothing(backup):
    (backup / ".upload_progress.json").write_text("{}", encoding="utf-8")
    verification = verify_backup(backup)
    assert verification.is_sound
    assert [".upload_progress.json" in remark for remark in verification.remarks] == [True]


def sealed_manifests(backup):
    """Manifests with a right checksum that are wrong in another way."""
    document = json.loads((backup / MANIFEST).read_bytes())
    document.pop("checksum")
    first, *others = document["files"]
    metadata = document["metadata"]
    yield {**document, "files": others}
    yield {**document, "files": [first, *document["files"]]}
    yield {**document, "files": [{**first, "name": "../outside"}, *others]}
    yield {**document, "files": [{**first, "size_bytes": first["size_bytes"] + 1}, *others]}
    yield {**document, "code_hash": "0" * 64}
    yield {**document, "total_size_bytes": 1}
    yield {**document, "module": "aaaaa"}
    yield {**document, "snapshot": "zz"}
    yield {**document, "version": 0}
    yield {**document, "version": True}
    yield {**document, "unknown": 1}
    yield {**document, "protected": "no"}
    yield {**document, "metadata": {**metadata, "globals": [{"i32": 2**31}]}}
    yield {**document, "metadata": {**metadata, "globals": [{"i32": 1, "i64": 1}]}}
    yield {**document, "metadata": {**metadata, "globals": [{}]}}
    yield {**document, "metadata": {**metadata, "wasm_memory_bytes": 1}}
    yield {**document, "metadata": {**metadata, "canister_version": 2**64}}
    yield {**document, "metadata": {**metadata, "certified_data": "00" * 33}}
    yield {**document, "metadata": {**metadata, "wasm_chunk_store": ["00" * 32]}}


def test_a_manifest_that_contradicts_itself_is_refused_although_its_checksum_is_right(backup):
    for document in sealed_manifests(backup):
        (backup / MANIFEST).write_bytes(layout.sealed(document))
        with pytest.raises(BackupError):
            open_backup(backup)


def test_a_command_that_is_proposed_can_be_pasted_whatever_the_path(tmp_path):
    sealed = tmp_path / "last night"
    sealed.mkdir()
    (sealed / layout.ENCRYPTED).touch()
    with pytest.raises(BackupError) as caught:
        verify_backup(sealed)
    assert f" backup copy '{sealed}' OUT " in caught.value.hint


def test_no_directory_and_no_backup_are_told_apart(tmp_path):
    with pytest.raises(NotFoundError):
        verify_backup(tmp_path / "nowhere")
    with pytest.raises(BackupError) as caught:
        verify_backup(tmp_path)
    assert caught.value.code == "not-a-backup"


def test_a_chunk_that_changed_after_opening_is_not_handed_out(backup):
    opened = open_backup(backup)
    (chunk_hash, place), *_ = opened.chunks.items()
    flip(backup / place.name, 3)
    with pytest.raises(BackupError):
        opened.chunk(chunk_hash)
    (backup / FILES["wasm_module"]).write_bytes(b"")
    with pytest.raises(BackupError):
        opened.read("wasm_module", 0, 8)
