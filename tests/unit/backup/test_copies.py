"""Copies between directories: what is refused, what goes on, and what an encrypted one tells."""

import hashlib
import io
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from juno_snap.backup import layout
from juno_snap.backup.catalogue import list_backups
from juno_snap.backup.copies.age import read_recipients
from juno_snap.backup.copies.copy import copy_backup
from juno_snap.backup.copies.listing import Listing, parse_listing, render_listing
from juno_snap.backup.copies.remote import open_store
from juno_snap.backup.copies.stores import DirectoryStore, Incoming, Outgoing
from juno_snap.backup.layout import COPYING, ENCRYPTED, FILES, MANIFEST, METADATA, FileEntry
from juno_snap.backup.verify import verify_backup
from juno_snap.errors import (
    BackupError,
    InputError,
    LockedError,
    NotFoundError,
    PreconditionError,
)
from juno_snap.events import BytesMoved
from tests.architecture.imports import ROOT
from tests.chance import Chance
from tests.unit.backup.keys import new_keys
from tests.unit.backup.snapshots import content, snapshot, write

POSITIONS = 60


class StopNowError(Exception):
    pass


@pytest.fixture
def backup(tmp_path):
    return write(tmp_path / "backup", snapshot(stable=bytes(65536)))


@pytest.fixture
def keys(tmp_path):
    return new_keys(tmp_path)


def copy(source, target, **options):
    return copy_backup(DirectoryStore(Path(source)), DirectoryStore(Path(target)), **options)


def stopped_at(done_bytes):
    def observe(event):
        if event.what == "copy" and event.done_bytes >= done_bytes:
            raise StopNowError

    return observe


def refused(source, target, **options) -> BackupError:
    with pytest.raises(BackupError) as caught:
        copy(source, target, **options)
    return caught.value


def flip(place: Path, bit: int) -> None:
    data = bytearray(place.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    place.write_bytes(data)


def test_a_copy_is_the_same_backup_for_its_owner_only(backup, tmp_path):
    seen = []
    copied = copy(backup, tmp_path / "copy", observer=seen.append)
    assert (copied.files, copied.sent, copied.is_encrypted) == (7, 7, False)
    assert content(tmp_path / "copy") == content(backup)
    assert verify_backup(tmp_path / "copy").is_sound
    modes = {each.stat().st_mode & 0o077 for each in (tmp_path / "copy").rglob("*")}
    assert modes == {0}
    for what in ("verify", "copy"):
        moved = [each for each in seen if isinstance(each, BytesMoved) and each.what == what]
        assert [each.done_bytes for each in moved] == sorted(each.done_bytes for each in moved)
        assert moved[-1].done_bytes == moved[-1].total_bytes


def test_a_backup_without_chunks_has_its_folder_of_chunks_again(tmp_path):
    copy(write(tmp_path / "backup", snapshot(chunks=())), tmp_path / "copy")
    assert list((tmp_path / "copy" / layout.CHUNKS).iterdir()) == []


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_an_interrupted_copy_goes_on_from_wherever_it_was(backup, keys, tmp_path, encrypted):
    secret, recipient = keys
    options = {"recipients": (recipient,)} if encrypted else {}
    total_bytes = sum(map(len, content(backup).values()))
    sent = []
    for number in range(8):
        target = tmp_path / f"copy-{number}"
        stop = stopped_at(total_bytes * number // 9)
        with pytest.raises(StopNowError):
            copy(backup, target, observer=stop, **options)
        assert not {MANIFEST, ENCRYPTED} & set(content(target))
        assert refused(target, tmp_path / "other").code == "backup-unfinished"
        sent.append(copy(backup, target, **options).sent)
        if encrypted:
            copy(target, tmp_path / f"plain-{number}", identity_file=secret)
            target = tmp_path / f"plain-{number}"
        assert content(target) == content(backup)
    assert sent == sorted(sent, reverse=True)
    assert sent[-1] < sent[0]


def test_what_has_arrived_counts_only_with_its_size(backup, tmp_path):
    with pytest.raises(StopNowError):
        copy(backup, tmp_path / "copy", observer=stopped_at(150_000))
    (tmp_path / "copy" / FILES["wasm_module"]).write_bytes(b"")
    copy(backup, tmp_path / "copy")
    assert content(tmp_path / "copy") == content(backup)


def test_a_list_that_a_crash_has_torn_counts_as_empty(backup, tmp_path):
    with pytest.raises(StopNowError):
        copy(backup, tmp_path / "copy", observer=stopped_at(150_000))
    list_file = tmp_path / "copy" / COPYING
    list_file.write_bytes(list_file.read_bytes()[:-20])
    assert copy(backup, tmp_path / "copy").sent == 7
    assert content(tmp_path / "copy") == content(backup)


def test_a_copy_that_is_there_is_looked_at_and_left(backup, tmp_path):
    copy(backup, tmp_path / "copy")
    (tmp_path / "copy" / COPYING).write_bytes(b"left by a crash at the very end")
    assert copy(backup, tmp_path / "copy").sent == 0
    assert content(tmp_path / "copy") == content(backup)
    (tmp_path / "copy" / METADATA).unlink()
    assert refused(backup, tmp_path / "copy").code == "backup-damaged"


def test_nothing_that_is_there_is_replaced(backup, keys, tmp_path):
    _, recipient = keys
    _, other = new_keys(tmp_path, "other")
    write(tmp_path / "another", snapshot(label="another"))
    copy(backup, tmp_path / "encrypted", recipients=(recipient,))
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "file").write_bytes(b"mine")
    with pytest.raises(StopNowError):
        copy(tmp_path / "another", tmp_path / "unfinished", observer=stopped_at(100_000))
    with pytest.raises(StopNowError):
        copy(backup, tmp_path / "half", recipients=(recipient,), observer=stopped_at(100_000))
    before = content(tmp_path)
    for target in ("another", "encrypted", "strange", "unfinished", "half"):
        assert refused(backup, tmp_path / target).code == "backup-not-empty"
    for target in ("another", "encrypted", "strange", "unfinished", "half"):
        found = refused(backup, tmp_path / target, recipients=(other,))
        assert (found.code, str(tmp_path / target) in found.message) == ("backup-not-empty", True)
    assert content(tmp_path) == before


def test_a_damaged_backup_is_refused_before_anything_is_sent(backup, keys, tmp_path):
    flip(backup / FILES["stable_memory"], 77)
    for options in ({}, {"recipients": (keys[1],)}):
        assert refused(backup, tmp_path / "copy", **options).code == "backup-damaged"
        assert not (tmp_path / "copy").exists()


def test_a_link_in_a_backup_is_refused(backup, tmp_path):
    memory = backup / FILES["wasm_memory"]
    memory.rename(tmp_path / "elsewhere")
    memory.symlink_to(tmp_path / "elsewhere")
    assert refused(backup, tmp_path / "copy").code == "backup-link"


def test_what_is_no_backup_of_ours_is_refused(backup, tmp_path):
    (backup / MANIFEST).unlink()
    assert refused(backup, tmp_path / "copy").code == "backup-unfinished"
    (backup / layout.BEGUN).unlink()
    assert refused(backup, tmp_path / "copy").code == "backup-format"
    (backup / METADATA).unlink()
    assert refused(backup, tmp_path / "copy").code == "not-a-backup"
    with pytest.raises(NotFoundError):
        copy(tmp_path / "nowhere", tmp_path / "copy")


KILLED = """
import os, signal, sys
from tests.unit.backup.test_copies import copy
def observe(event):
    if event.what == "copy" and event.done_bytes >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
copy(*sys.argv[1:3], observer=observe)
"""


def run_program(program, *words):
    """In another process, which may die or have other limits."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_copy_goes_on(backup, tmp_path):
    target = tmp_path / "copy"
    total_bytes = sum(map(len, content(backup).values()))
    for part in range(4):
        ran = run_program(KILLED, backup, target, total_bytes * part // 4)
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        (target / f".{COPYING}.torn").write_bytes(b"as a crash leaves it")
        with pytest.raises(BackupError) as caught:
            verify_backup(target)
        assert caught.value.code == "backup-unfinished"
    assert 0 < copy(backup, target).sent < 7
    assert content(target) == content(backup)


FULL = """
import resource, sys
from tests.unit.backup.test_copies import copy
from juno_snap.errors import BackupError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    copy(*sys.argv[1:])
except BackupError as error:
    print(error.code, error.path)
"""


def test_a_file_that_may_not_grow_leaves_what_can_be_taken_up(backup, tmp_path):
    target = tmp_path / "copy"
    ran = run_program(FULL, backup, target)
    there = target / FILES["wasm_memory"]
    assert ran.stdout.split() == ["backup-not-written", str(there)], ran.stderr
    assert copy(backup, target).sent == 6
    assert content(target) == content(backup)


def test_a_target_that_cannot_be_written_is_named(backup):
    found = refused(backup, "/proc/juno-snap")
    assert (found.code, "/proc/juno-snap" in found.message) == ("backup-not-written", True)


def test_two_copies_to_one_directory_keep_apart(backup, tmp_path):
    target = DirectoryStore(tmp_path / "copy")
    with target.hold(), pytest.raises(LockedError):
        copy(backup, tmp_path / "copy")
    copy(backup, tmp_path / "copy")


def test_an_encrypted_copy_is_told_of_and_decrypted_with_its_key_only(backup, keys, tmp_path):
    secret, recipient = keys
    _, second = new_keys(tmp_path, "second")
    copied = copy(backup, tmp_path / "sealed", recipients=(recipient, second))
    assert (copied.is_encrypted, copied.files) == (True, 8)
    with pytest.raises(BackupError) as caught:
        verify_backup(tmp_path / "sealed")
    assert (caught.value.code, "--identity-file" in caught.value.hint) == ("backup-encrypted", True)
    states = {each.path.name: each.state for each in list_backups(tmp_path)}
    assert states == {"backup": "complete", "sealed": "encrypted"}
    stranger, _ = new_keys(tmp_path, "stranger")
    found = refused(tmp_path / "sealed", tmp_path / "back", identity_file=stranger)
    assert (found.code, str(stranger) in found.message) == ("backup-wrong-key", True)
    assert not (tmp_path / "back").exists()
    for number, key in enumerate([secret, tmp_path / "second.key"]):
        copy(tmp_path / "sealed", tmp_path / f"back-{number}", identity_file=key)
        assert content(tmp_path / f"back-{number}") == content(backup)


def test_every_encrypted_file_is_an_age_file_and_none_shows_its_content(backup, keys, tmp_path):
    secret, recipient = keys
    copy(backup, tmp_path / "sealed", recipients=(recipient,))
    identity = pyrage.x25519.Identity.from_str(secret.read_text().splitlines()[1])
    sealed = content(tmp_path / "sealed")
    sealed.pop(ENCRYPTED)
    opened = {
        name.removesuffix(".age"): pyrage.decrypt(data, [identity]) for name, data in sealed.items()
    }
    assert opened == content(backup)
    for name, data in content(backup).items():
        assert data[:64] not in sealed[f"{name}.age"]
    told = (tmp_path / "sealed" / ENCRYPTED).read_text()
    assert hashlib.sha256(opened[FILES["wasm_memory"]]).hexdigest() not in told


def test_an_encrypted_copy_is_copied_on_without_the_key(backup, keys, tmp_path):
    copy(backup, tmp_path / "sealed", recipients=(keys[1],))
    with pytest.raises(StopNowError):
        copy(tmp_path / "sealed", tmp_path / "on", observer=stopped_at(100_000))
    assert copy(tmp_path / "sealed", tmp_path / "on").is_encrypted
    assert content(tmp_path / "on") == content(tmp_path / "sealed")
    copy(tmp_path / "on", tmp_path / "back", identity_file=keys[0])
    assert content(tmp_path / "back") == content(backup)


@pytest.mark.parametrize("seed", [5])
def test_one_flipped_bit_anywhere_in_an_encrypted_copy_is_found(backup, keys, tmp_path, seed):
    chance = Chance(seed)
    sealed = tmp_path / "sealed"
    copy(backup, sealed, recipients=(keys[1],))
    names = sorted(content(sealed))
    for number in range(POSITIONS):
        name = names[number % len(names)]
        bit = chance.below((sealed / name).stat().st_size * 8)
        flip(sealed / name, bit)
        for options in ({}, {"identity_file": keys[0]}):
            found = refused(sealed, tmp_path / "back", **options)
            assert found.code in {"backup-damaged", "backup-newer"}, (name, bit)
            assert not (tmp_path / "back").exists()
        flip(sealed / name, bit)
    copy(sealed, tmp_path / "back", identity_file=keys[0])


def test_a_file_of_another_encrypted_backup_is_found(backup, keys, tmp_path):
    """Whoever stores it can make a list that fits, but not a manifest."""
    write(tmp_path / "another", snapshot(heap=bytes(2 * 65536), stable=bytes(65536)))
    for name in ("backup", "another"):
        copy(tmp_path / name, tmp_path / f"{name}-sealed", recipients=(keys[1],))
    sealed, memory = tmp_path / "backup-sealed", f"{FILES['wasm_memory']}.age"
    swapped = (tmp_path / "another-sealed" / memory).read_bytes()
    (sealed / memory).write_bytes(swapped)
    listing = parse_listing((sealed / ENCRYPTED).read_bytes(), "list")
    entry = FileEntry(name=memory, size_bytes=len(swapped), sha256=hashlib.sha256(swapped).digest())
    files = tuple(entry if each.name == memory else each for each in listing.files)
    (sealed / ENCRYPTED).write_bytes(render_listing(replace(listing, files=files)))
    found = refused(sealed, tmp_path / "back", identity_file=keys[0])
    assert (found.code, FILES["wasm_memory"] in found.message) == ("backup-damaged", True)
    assert MANIFEST not in content(tmp_path / "back")


@pytest.mark.parametrize(
    "name",
    [
        "../evil.age",
        "/etc/passwd",
        "wasm_chunk_store/../../evil.age",
        "other.bin",
        "metadata.json\n",
    ],
)
def test_a_list_that_leads_out_of_its_directory_is_refused(tmp_path, name):
    entry = FileEntry(name=name, size_bytes=1, sha256=bytes(32))
    listing = Listing(backup_sha256=bytes(32), recipients_sha256=bytes(32), files=(entry,))
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed" / ENCRYPTED).write_bytes(render_listing(listing))
    assert refused(tmp_path / "sealed", tmp_path / "back").code == "backup-damaged"
    assert not (tmp_path / "back").exists()


def test_a_list_that_names_a_file_twice_or_is_of_a_newer_format_is_refused(tmp_path):
    entry = FileEntry(name="metadata.json.age", size_bytes=1, sha256=bytes(32))
    listing = Listing(backup_sha256=bytes(32), recipients_sha256=None, files=(entry,))
    twice = render_listing(replace(listing, files=(entry, entry)))
    with pytest.raises(BackupError, match="twice"):
        parse_listing(twice, "list")
    said = json.loads(render_listing(listing))
    with pytest.raises(BackupError) as caught:
        parse_listing(json.dumps({**said, "version": 2}).encode(), "list")
    assert caught.value.code == "backup-newer"


def test_keys_that_do_not_fit_are_refused(backup, keys, tmp_path):
    secret, recipient = keys
    copy(backup, tmp_path / "sealed", recipients=(recipient,))
    for source, options, code in [
        (backup, {"identity_file": secret}, "not-encrypted"),
        (tmp_path / "sealed", {"recipients": (recipient,)}, "encrypted-already"),
        (backup, {"recipients": ("age1nothing",)}, "not-an-age-key"),
        (backup, {"recipients": (recipient, "")}, "not-an-age-key"),
        (tmp_path / "sealed", {"identity_file": backup / MANIFEST}, "not-an-age-key"),
    ]:
        with pytest.raises(InputError) as caught:
            copy(source, tmp_path / "copy", **options)
        assert caught.value.code == code
        assert not (tmp_path / "copy").exists()


def test_a_secret_key_in_the_place_of_a_recipient_is_not_shown(backup, keys, tmp_path):
    text = keys[0].read_text().splitlines()[1]
    with pytest.raises(InputError) as caught:
        copy(backup, tmp_path / "copy", recipients=(text,))
    assert text not in repr((caught.value.message, caught.value.hint, caught.value.fields))


def test_recipients_stand_in_a_file_one_a_line(tmp_path):
    file = tmp_path / "recipients"
    file.write_text("# who\n\n age1a \nage1b\n", encoding="ascii")
    assert read_recipients(file) == ("age1a", "age1b")
    for text in ("# nobody\n", "age1\u00e9\n"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            read_recipients(file)


@pytest.mark.parametrize("before", ["# der Schl\u00fcssel\n", "\ufeff", "\ufeff# J\u00fcrgen\r\n"])
def test_what_is_no_key_in_a_file_of_keys_may_be_in_any_letters(backup, keys, tmp_path, before):
    secret, recipient = keys
    recipients, identity = tmp_path / "recipients", tmp_path / "identity"
    recipients.write_text(f"{before}{recipient}\n", encoding="utf-8", newline="")
    identity.write_text(f"{before}{secret.read_text()}", encoding="utf-8", newline="")
    copy(backup, tmp_path / "sealed", recipients=read_recipients(recipients))
    copy(tmp_path / "sealed", tmp_path / "copy", identity_file=identity)
    assert verify_backup(tmp_path / "copy").is_sound


def test_without_the_package_the_way_to_get_it_is_told(backup, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(PreconditionError) as caught:
        copy(backup, tmp_path / "copy", recipients=("age1",))
    assert "pip install 'juno-snap[age]'" in caught.value.hint
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for place, extra in (("sftp://host.invalid/there", "remote"), ("s3://bucket/there", "s3")):
        with pytest.raises(PreconditionError) as caught, open_store(place):
            pass
        assert f"pip install 'juno-snap[{extra}]'" in caught.value.hint


@pytest.mark.parametrize(
    "place",
    [
        "http://host/there",
        "memory://there",
        "simplecache::s3://bucket/there",
        "s3://",
        "sftp://user:secret@host/there",
        "webdav+https://user@host/there",
        "webdav+https://host/there?token=secret",
        "webdav+https://host:port/there",
        "webdav+http://example.org/there",
        "file://host/there",
        "s3://[",
    ],
)
def test_a_place_that_is_none_is_refused_and_no_secret_shown(place):
    with pytest.raises(InputError) as caught, open_store(place):
        pass
    assert "secret" not in repr((caught.value.message, caught.value.hint, caught.value.fields))


@pytest.mark.parametrize("place", ["a b", "file:///a%20b", "./a"])
def test_a_directory_is_named_by_a_path_or_a_url(place):
    with open_store(place) as store:
        assert store.folder in {Path("a b"), Path("/a b"), Path("a")}


def test_a_stream_ends_where_more_has_come_than_was_announced():
    with Path("/dev/zero").open("rb") as endless:
        incoming = Incoming(endless, lambda _: None, limit_bytes=3_000_000)
        incoming.drain()
    assert 3_000_000 < incoming.size_bytes < 5_000_000


def test_streams_keep_their_content_however_small_the_helpings():
    data = bytes(range(256)) * 10_000
    whole = io.BytesIO()
    incoming, outgoing = Incoming(io.BytesIO(data), lambda _: None), Outgoing(whole)
    while piece := incoming.read(7_001):
        outgoing.write(piece)
    outgoing.flush()
    assert whole.getvalue() == data
    wanted = FileEntry(name="x", size_bytes=len(data), sha256=hashlib.sha256(data).digest())
    assert incoming.entry("x") == outgoing.entry("x") == wanted
