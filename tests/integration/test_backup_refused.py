"""What a backup, or a module that is to get one, may be like: each is refused, and nothing done."""

import json
import shutil
import subprocess
import sys

import pytest

from juno_snap.backup.layout import BEGUN, FILES, MANIFEST, METADATA
from juno_snap.backup.reader import open_backup
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import BackupWriter
from juno_snap.errors import BackupError
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.units import SNAPSHOTS_MAX
from tests.chance import Chance
from tests.integration.backup_world import (
    READS,
    backed_up,
    called,
    contents,
    log_length,
    snapshots_of,
)
from tests.integration.cli_world import (
    ask,
    child_command,
    create_store,
    look,
    refuse,
    run_child,
    write_sample,
)

ORBITER = r"""
(module
  (@custom "icp:public juno:package" "{\"name\":\"@junobuild/orbiter\",\"version\":\"0.1.0\"}")
  (memory 1))
"""
FLIPS = 100


@pytest.fixture
def store(cli):
    """A document store with two documents; its id."""
    return create_store(cli)


def refused_restore(copy, module, log, *words):
    """The error, the module as it was, and nothing called that changes something."""
    before = look(module)
    begin = log_length(log)
    ran = refuse("backup", "restore", copy, "--module", module, "--yes", *words)
    methods = called(log, after=begin)
    assert look(module) == before
    assert set(methods) <= READS
    return ran, methods


def without_digests(copy, **changes):
    """The backup as icp has it, where nothing protects the metadata, with these changes in them."""
    other = copy.with_name(f"{copy.name}-icp")
    ask("backup", "convert", copy, other, "--format", "icp")
    said = json.loads((other / METADATA).read_bytes())
    (other / METADATA).write_text(json.dumps(said | changes), encoding="utf-8")
    return other


def test_a_global_that_the_code_has_otherwise_is_named_before_anything_is_sent(cli, cli_log, store):
    backed_up(store, cli / "copy")
    saved = json.loads((cli / "copy" / METADATA).read_bytes())["globals"]
    place = next(n for n, each in enumerate(saved) if "i32" in each)
    said = f"global {place} is i64 77 in the metadata of the backup and i32 (its global "
    copy = without_digests(cli / "copy", globals=[*saved[:place], {"i64": 77}, *saved[place + 1 :]])
    ran, _ = refused_restore(copy, store, cli_log)
    assert (ran.code, ran.error["code"]) == (5, "globals-differ")
    assert said in ran.error["message"]
    write_sample(cli, "document_store_v2")
    rehearsed = refuse(
        "rehearse", "-s", "document_store_v2.wasm", "--backup", copy, "--module", store
    )
    assert rehearsed.error["code"] == "not-loadable"
    assert said in rehearsed.error["message"]
    assert (
        "globals of canister module and snapshot metadata do not match"
        in (rehearsed.error["message"])
    )


def test_one_flipped_bit_is_found_and_stops_a_restore_before_the_first_call(cli, cli_log, store):
    ask("module", "call", "set_document", '("c", "more")', "--module", store)
    copy = cli / "copy"
    backed_up(store, copy)
    sizes = {name: len(data) for name, data in contents(copy).items() if data}
    assert set(sizes) == {MANIFEST, METADATA, BEGUN, *FILES.values()}
    begin, chance = log_length(cli_log), Chance(100)
    for number in range(FLIPS):
        # Each file as often as the others: most bytes lie in the memory.
        name = sorted(sizes)[number % len(sizes)]
        bit = chance.below(8 * sizes[name])
        flip(copy / name, bit)
        assert not is_sound(copy), f"bit {bit} of {name}"
        ran = refuse("backup", "restore", copy, "--module", store, "--yes")
        assert ran.code == 14, f"bit {bit} of {name}: {ran.err}"
        flip(copy / name, bit)
    assert called(cli_log, after=begin) == []
    assert is_sound(copy)


def flip(file, bit):
    with file.open("r+b") as opened:
        opened.seek(bit // 8)
        (byte,) = opened.read(1)
        opened.seek(bit // 8)
        opened.write(bytes([byte ^ 1 << bit % 8]))


def is_sound(copy):
    try:
        return verify_backup(copy).is_sound
    except BackupError:
        return False


def cut(copy):
    with (copy / FILES["wasm_memory"]).open("r+b") as file:
        file.truncate(1000)


def grow(copy):
    with (copy / FILES["wasm_memory"]).open("ab") as file:
        file.write(b"more")


def lose(copy):
    (copy / FILES["wasm_module"]).unlink()


def link(copy):
    place = copy / FILES["wasm_memory"]
    shutil.move(place, copy.parent / "outside")
    place.symlink_to(copy.parent / "outside")


def be_newer(copy):
    place = copy / MANIFEST
    place.write_text(place.read_text().replace('"version": 1,', '"version": 2,', 1))


def cut_manifest(copy):
    place = copy / MANIFEST
    place.write_bytes(place.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [cut, grow, lose, link, be_newer, cut_manifest])
def test_a_backup_that_cannot_be_right_is_not_sent(cli, cli_log, store, damage):
    backed_up(store, cli / "copy")
    damage(cli / "copy")
    ran, methods = refused_restore(cli / "copy", store, cli_log)
    assert ran.code == 14
    assert str(cli / "copy") in ran.error["message"]
    assert methods == []


def test_a_directory_of_another_snapshot_is_not_touched(cli, store):
    first = ask("snapshot", "create", "--module", store)["snapshot"]["id"]
    backed_up(store, cli / "first", "--snapshot", first)
    second = ask("snapshot", "create", "--module", store)["snapshot"]["id"]
    begun = cli / "begun"
    with BackupWriter(begun, open_backup(cli / "first").description):
        pass
    before = contents(begun)
    ran = refuse("snapshot", "download", second, "--module", store, "-o", begun)
    assert (ran.code, ran.error["code"]) == (14, "backup-of-another-snapshot")
    assert contents(begun) == before
    # Without a snapshot being named, the directory says which.
    assert backed_up(store, begun)["snapshot"] == first
    assert [each["id"] for each in snapshots_of(store)] == [first, second]


def test_a_directory_of_another_module_is_not_touched(cli, cli_log, store):
    taken = ask("snapshot", "create", "--module", store)["snapshot"]["id"]
    backed_up(store, cli / "first", "--snapshot", taken)
    with BackupWriter(cli / "begun", open_backup(cli / "first").description):
        pass
    other, begin = create_store(cli, "other"), log_length(cli_log)
    ran = refuse("backup", "create", "--module", other, "-o", cli / "begun")
    assert (ran.code, ran.error["code"]) == (14, "backup-of-another-snapshot")
    assert set(called(cli_log, after=begin)) <= READS


def test_the_backup_of_a_snapshot_that_is_gone_is_not_finished(cli, store):
    taken = ask("snapshot", "create", "--module", store)["snapshot"]["id"]
    backed_up(store, cli / "first", "--snapshot", taken)
    with BackupWriter(cli / "begun", open_backup(cli / "first").description):
        pass
    ask("snapshot", "delete", taken, "--module", store, "--yes")
    ran = refuse("backup", "create", "--module", store, "-o", cli / "begun")
    assert (ran.code, ran.error["code"]) == (4, "snapshot-not-found")


def has_files(folder):
    folder.mkdir()
    folder.joinpath("mine").write_text("important", encoding="utf-8")
    return folder


def lies_below_a_file(folder):
    folder.write_text("a file", encoding="utf-8")
    return folder / "copy"


@pytest.mark.parametrize("make", [has_files, lies_below_a_file])
def test_a_target_that_cannot_be_used_is_refused_before_the_module_is_stopped(
    cli, cli_log, store, make
):
    target, begin = make(cli / "target"), log_length(cli_log)
    ran = refuse("backup", "create", "--module", store, "-o", target)
    assert ran.code == 14
    assert set(called(cli_log, after=begin)) <= READS
    assert snapshots_of(store) == []


@pytest.mark.skipif(
    subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode != 0,
    reason="nobody may mount here",
)
def test_a_target_that_may_not_be_written_is_refused_before_the_module_is_stopped(
    cli, cli_log, store
):
    target = cli / "read-only"
    target.mkdir()
    begin = log_length(cli_log)
    words = child_command("backup", "create", "--module", store, "-o", target / "copy", "--json")
    script = f'mount -t tmpfs -o ro tmpfs {target} && exec "$@"'
    ran = run_child(program=("unshare", "-Urm", "sh", "-c", script, "sh", *words))
    assert (ran.code, ran.error["code"]) == (14, "backup-not-writable"), ran.err
    assert set(called(cli_log, after=begin)) <= READS


def test_a_disk_that_is_full_in_the_middle_leaves_what_can_be_gone_on_with(cli, store):
    taken = ask("snapshot", "create", "--module", store)["snapshot"]["id"]
    backed_up(store, cli / "whole", "--snapshot", taken)
    heap = len(contents(cli / "whole")[FILES["wasm_memory"]])
    words = ("snapshot", "download", taken, "--module", store, "-o", "copy", "--json")
    script = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({heap - 1},) * 2)\n"
        "from juno_snap.cli.main import main\n"
        "main()"
    )
    ran = run_child(*words, program=(sys.executable, "-c", script))
    assert (ran.code, ran.error["code"]) == (14, "backup-not-written"), ran.err
    assert ran.error["path"].endswith(FILES["wasm_memory"])
    assert not (cli / "copy" / MANIFEST).exists()
    assert ask(*words[:-1])["backup"]["resumed"] is True
    assert contents(cli / "copy") == contents(cli / "whole")


def test_a_module_of_another_kind_does_not_get_it_unless_forced(cli, cli_log, store):
    backed_up(store, cli / "copy")
    wasm = cli / "orbiter.wasm"
    wasm.write_bytes(wasm_from_text(ORBITER))
    orbiter = ask("module", "create", "--name", "orbiter", "--wasm", wasm)["module"]
    ran, _ = refused_restore(cli / "copy", orbiter, cli_log)
    assert ran.code == 5
    assert "@junobuild/satellite" in ran.error["message"]
    assert "@junobuild/orbiter" in ran.error["message"]
    ask("backup", "restore", cli / "copy", "--module", orbiter, "--yes", "--force")


def test_a_module_without_a_free_slot_gives_none_up(cli, cli_log, store):
    backed_up(store, cli / "copy")
    for _ in range(SNAPSHOTS_MAX - 1):
        ask("snapshot", "create", "--module", store, "--no-stop")
    ran, _ = refused_restore(cli / "copy", store, cli_log, "--replace", "oldest")
    assert ran.code == 5
    assert "delete one" in ran.error["message"]
    ask("snapshot", "delete", "oldest", "--module", store, "--yes")
    # One slot is for the upload; the present state could not be saved beside it.
    ran, _ = refused_restore(cli / "copy", store, cli_log)
    assert ran.code == 5
    assert "--discard-current" in str(ran.error)
    ask("snapshot", "upload", cli / "copy", "--module", store)


def test_a_module_with_too_few_cycles_does_not_get_it(cli, cli_log, store):
    backed_up(store, cli / "copy")
    poor = ask("module", "create", "--name", "poor", "--cycles", 2_000_000_000)["module"]
    ran, _ = refused_restore(cli / "copy", poor, cli_log)
    assert ran.code == 5
    assert "top it up" in ran.error["message"]


def test_what_is_no_backup_is_not_sent(cli, cli_log, store):
    (cli / "empty").mkdir()
    for folder, code in ((cli / "empty", 14), (cli / "missing", 4)):
        ran, methods = refused_restore(folder, store, cli_log)
        assert (ran.code, methods) == (code, [])


def test_a_protected_snapshot_is_not_deleted_after_its_backup(cli, store):
    taken = ask("snapshot", "create", "--module", store, "--protect")["snapshot"]["id"]
    words = ("--module", store, "-o", cli / "copy", "--snapshot", taken, "--delete-snapshot")
    ran = refuse("backup", "create", *words)
    assert (ran.code, ran.error["code"]) == (5, "snapshot-protected")
    assert not (cli / "copy").exists()
