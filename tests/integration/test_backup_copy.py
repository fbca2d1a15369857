"""``juno-snap backup copy`` to servers that store: WebDAV, which can die on the way, and SFTP."""

import contextlib
import json
import os
import subprocess
import sys

import pytest

from juno_snap.backup.layout import COPYING, ENCRYPTED, FILES, MANIFEST, METADATA
from tests.architecture.imports import ROOT
from tests.integration import sftp_server, webdav_server
from tests.integration.cli_world import ask, juno_snap, refuse, run_child
from tests.unit.backup.keys import new_keys
from tests.unit.backup.snapshots import content, large, noise, snapshot, write


@contextlib.contextmanager
def serving(module, *words):
    """The port of a server that runs as a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", module.__name__, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working directory, and the password where fsspec looks for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUNO_SNAP_STATE", str(tmp_path / "state"))
    know("webdav", monkeypatch, auth=[webdav_server.USER, webdav_server.PASSWORD])
    (tmp_path / "stored").mkdir()
    return tmp_path


def know(protocol, monkeypatch, **options):
    monkeypatch.setenv(f"FSSPEC_{protocol.upper()}", json.dumps(options))


@pytest.fixture
def server(place):
    """A WebDAV server on ``stored``, as the start of a URL."""
    with serving(webdav_server, place / "stored", 0) as port:
        yield f"webdav+http://127.0.0.1:{port}"


@pytest.fixture
def backup(place):
    return write(place / "backup", large())


def test_a_backup_goes_to_a_server_and_comes_back_as_it_was(server, backup, place):
    url, files = f"{server}/deep/er place", content(backup)
    assert ask("backup", "copy", backup, url)["copy"] == {
        "target": url,
        "encrypted": False,
        "files": 7,
        "sent": 7,
        "total_size_bytes": sum(len(data) for name, data in files.items() if name != MANIFEST),
    }
    assert content(place / "stored/deep/er place") == content(backup)
    assert ask("backup", "copy", backup, url)["copy"]["sent"] == 0
    assert ask("backup", "copy", url, "back")["copy"]["sent"] == 7
    assert ask("backup", "verify", "back")["verification"]["ok"] is True
    assert content(place / "back") == content(backup)
    assert oct((place / "back").stat().st_mode & 0o777) == "0o700"


def test_it_goes_from_server_to_server_and_by_a_child_process(server, backup, place):
    ask("backup", "copy", backup, f"{server}/one")
    ask("backup", "copy", f"{server}/one", f"{server}/two")
    ran = run_child("backup", "copy", f"{server}/two", "file://" + str(place / "back"))
    assert (ran.code, ran.err) == (0, "")
    assert content(place / "back") == content(backup)


def copy_over_dying_servers(source, target, place, *, deaths, options=()):
    """Copy, with a server that dies later each time; how many files each run found there."""
    for left_bytes in deaths:
        with serving(webdav_server, place / "stored", 0, left_bytes) as port:
            ran = refuse("backup", "copy", source(port), target(port), *options)
        assert (ran.code, ran.error["code"]) == (14, "destination-failed")
        yield ran
    with serving(webdav_server, place / "stored", 0) as port:
        yield ask("backup", "copy", source(port), target(port), *options)["copy"]


def test_a_server_that_dies_half_way_leaves_no_backup_and_the_same_command_goes_on(backup, place):
    there = place / "stored/there"
    *failed, done = copy_over_dying_servers(
        lambda _: backup,
        lambda port: f"webdav+http://127.0.0.1:{port}/there",
        place,
        deaths=(1_000_000, 3_000_000, 5_000_000, 6_000_000),
    )
    for ran in failed:
        assert "files have arrived at" in ran.error["message"]
        assert "is no backup yet" in ran.error["message"]
    assert "; 0 of 7 " in failed[0].error["message"]
    assert "; 1 of 7 " in failed[2].error["message"]
    assert done["sent"] < 7
    assert content(there) == content(backup)


def test_a_place_where_a_copy_was_cut_is_unfinished_to_every_command(backup, place):
    with serving(webdav_server, place / "stored", 0, 5_000_000) as port:
        refuse("backup", "copy", backup, f"webdav+http://127.0.0.1:{port}/there")
    there = place / "stored/there"
    names = {each.name for each in there.iterdir()}
    assert COPYING in names
    assert not {MANIFEST, METADATA} & names
    assert refuse("backup", "verify", there).error["code"] == "backup-unfinished"
    assert refuse("backup", "copy", there, "back").error["code"] == "backup-unfinished"
    assert [each["state"] for each in ask("backup", "list", "stored")["backups"]] == ["unfinished"]


def test_a_server_that_dies_while_a_backup_comes_back_leaves_a_directory_to_go_on_with(
    backup, place
):
    write(place / "stored/there", large())
    *_, done = copy_over_dying_servers(
        lambda port: f"webdav+http://127.0.0.1:{port}/there",
        lambda _: place / "back",
        place,
        deaths=(100_000, 2_500_000, 4_000_000),
    )
    assert done["sent"] < 7
    assert content(place / "back") == content(backup)


def test_an_encrypted_copy_goes_on_after_its_server_died(backup, place):
    secret, recipient = new_keys(place)
    *_, done = copy_over_dying_servers(
        lambda _: backup,
        lambda port: f"webdav+http://127.0.0.1:{port}/there",
        place,
        deaths=(1_000_000, 5_000_000),
        options=("--recipient", recipient),
    )
    assert done["sent"] < done["files"] == 8
    ask("backup", "copy", "stored/there", "back", "--identity-file", secret)
    assert content(place / "back") == content(backup)


def test_a_wrong_password_is_refused_with_a_word_on_credentials(server, backup, monkeypatch):
    know("webdav", monkeypatch, auth=[webdav_server.USER, "wrong"])
    ran = refuse("backup", "copy", backup, f"{server}/there")
    assert (ran.code, ran.error["code"]) == (14, "destination-refused")
    assert "FSSPEC_" in ran.error["hint"]
    assert webdav_server.PASSWORD not in ran.err


def test_a_server_that_is_not_there_is_told(backup, place):
    with serving(webdav_server, place / "stored", 0) as port:
        pass
    ran = refuse("backup", "copy", backup, f"webdav+http://127.0.0.1:{port}/there")
    assert (ran.code, ran.error["code"]) == (14, "destination-failed")
    assert "Connection refused" in ran.error["message"]


@pytest.mark.parametrize("name", [*sorted(FILES.values()), METADATA])
def test_one_flipped_bit_on_a_server_is_found_on_the_way_back(server, place, name):
    there = write(place / "stored/there", snapshot(stable=noise("stable", 65536)))
    data = bytearray((there / name).read_bytes())
    data[len(data) // 2] ^= 1 << 3
    (there / name).write_bytes(data)
    ran = refuse("backup", "copy", f"{server}/there", "back")
    assert (ran.code, ran.error["code"]) == (14, "backup-damaged")
    assert f"/there/{name} has other content" in ran.error["message"]
    assert refuse("backup", "verify", "back").error["code"] == "backup-unfinished"


@pytest.mark.parametrize("grown", [b"", b"more"], ids=["cut", "grown"])
def test_a_file_on_a_server_that_was_cut_or_has_grown_is_found(server, place, grown):
    memory = write(place / "stored/there", snapshot()) / FILES["wasm_memory"]
    memory.write_bytes(memory.read_bytes()[: None if grown else -1] + grown)
    ran = refuse("backup", "copy", f"{server}/there", "back")
    assert (ran.code, ran.error["code"]) == (14, "backup-damaged")
    assert memory.name in ran.error["message"]


def test_an_encrypted_copy_on_a_server_is_read_with_its_key_only(server, backup, place):
    secret, recipient = new_keys(place)
    url = f"{server}/there"
    ask("backup", "copy", backup, url, "--recipient", recipient)
    stored = content(place / "stored/there")
    assert {name.endswith(".age") for name in stored} - {True} == {False}
    assert [name for name in stored if not name.endswith(".age")] == [ENCRYPTED]
    assert all(b"age-encryption.org/v1" in stored[name] for name in stored if name != ENCRYPTED)

    ask("backup", "copy", url, "cipher")
    assert content(place / "cipher") == stored
    ran = refuse("backup", "verify", "cipher")
    assert (ran.code, ran.error["code"]) == (14, "backup-encrypted")
    assert "--identity-file" in ran.error["hint"]

    other, _ = new_keys(place, "other")
    ran = refuse("backup", "copy", url, "back", "--identity-file", other)
    assert (ran.code, ran.error["code"], (place / "back").exists()) == (
        14,
        "backup-wrong-key",
        False,
    )
    ask("backup", "copy", url, "back", "--identity-file", secret)
    assert content(place / "back") == content(backup)


def test_an_sftp_server_stores_a_backup_and_only_a_known_host_is_trusted(
    backup, place, monkeypatch
):
    with serving(sftp_server, place / "stored", place / "known_hosts") as port:
        url = f"sftp://{sftp_server.USER}@127.0.0.1:{port}/deep/there"
        know("sftp", monkeypatch, password=sftp_server.PASSWORD)
        ran = run_child("backup", "copy", backup, url, "--json")
        assert (ran.code, ran.error["code"]) == (14, "destination-failed")
        assert "not trusted" in ran.error["message"]

        known = str(place / "known_hosts")
        know("sftp", monkeypatch, password="wrong", known_hosts=known)
        ran = run_child("backup", "copy", backup, url, "--json")
        assert (ran.code, ran.error["code"]) == (14, "destination-refused")

        know("sftp", monkeypatch, password=sftp_server.PASSWORD, known_hosts=known)
        for words in [(backup, url), (url, "back")]:
            ran = run_child("backup", "copy", *words)
            assert (ran.code, ran.err) == (0, "")
    assert content(place / "stored/deep/there") == content(backup) == content(place / "back")


def test_a_copy_is_told_to_a_person(backup):
    ran = juno_snap("backup", "copy", backup, "there")
    assert (ran.code, "5.8 MiB" in ran.out) == (0, True)


@pytest.mark.parametrize("words", [("nowhere", "there"), ("backup", "there")])
def test_a_file_of_keys_that_is_not_there_is_code_4(backup, words, place):
    ran = refuse("backup", "copy", *words, "--recipients-file", "no-keys")
    assert (ran.code, (place / "there").exists()) == (4, False)
