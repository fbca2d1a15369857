"""Downloads and uploads that are killed at any moment, and taken up again by the same command."""

import asyncio
import contextlib
import sys

import pytest

from juno_snap.backup.layout import MANIFEST
from juno_snap.backup.model import PARTS
from juno_snap.ids import SnapshotId
from tests.bench.transfer import take_full
from tests.chance import Chance
from tests.crash.crash_world import ended, ended_at_once, place_on, replica_process, was_killed
from tests.crash.gate import LostError

MEGABYTES = 24
DATA = ("read_canister_snapshot_data", "upload_canister_snapshot_data")

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def world(folder):
    """A module with a full heap, and whoever cares for it."""
    async with replica_process(folder) as replica, place_on(replica, folder) as place:
        place.module, _ = await take_full(replica.client, MEGABYTES)
        for each in await replica.client.list_canister_snapshots(place.module):
            await replica.client.delete_canister_snapshot(place.module, each.id)
        yield place


def killing_at(process, number, moment, delay_ms):
    """A watch that kills ``process`` a little after a call, and loses what is under way then."""

    async def watch(passing):
        if passing.number == number and passing.moment == moment:
            await asyncio.sleep(delay_ms / 1000)
            await ended_at_once(await process)
            raise LostError

    return watch


async def run_killed(place, point, *words):
    """Whether the command was killed before its end."""
    begun = asyncio.get_running_loop().create_future()
    place.gate.forget()
    place.gate.watch = killing_at(begun, *point)
    process = await place.begin(*words)
    begun.set_result(process)
    ran = await ended(process)
    await place.gate.clear()
    place.gate.forget()
    assert was_killed(ran) or ran.code == 0, ran.err
    return was_killed(ran)


def same_content(one, other):
    names = [f"{part}.bin" for part in PARTS]
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def draw(chance):
    """A call, a moment of it, and how long after; a transfer of this size makes about thirty."""
    return 1 + chance.below(28), chance.choose(("before", "during", "after")), chance.below(50)


async def kill_downloads(folder, capsys, *, seed, times):
    """Each is killed up to three times before it may end."""
    chance, kills = Chance(seed), 0
    async with world(folder) as place:
        for trial in range(times):
            words = ("backup", "create", "--module", place.module, "-o", f"copy-{trial}")
            for _ in range(1 + chance.below(3)):
                if (place.folder / f"copy-{trial}" / MANIFEST).exists():
                    break
                kills += await run_killed(place, draw(chance), *words)
            ran = await place.run(*words)
            copy = place.folder / f"copy-{trial}"
            is_done = ran.code == 14 and ran.error["code"] == "backup-finished"
            assert ran.code == 0 or is_done, ran.err
            # One snapshot, however often it was killed: none is left over from a life before.
            (taken,) = await place.snapshot_ids()
            whole = place.folder / f"whole-{trial}"
            await place.ask("snapshot", "download", taken, "--module", place.module, "-o", whole)
            names = {each.name for each in copy.iterdir()}
            assert names == {each.name for each in whole.iterdir()}
            for name in names - {"wasm_chunk_store", MANIFEST}:
                assert (copy / name).read_bytes() == (whole / name).read_bytes(), name
            assert (await place.ask("backup", "verify", copy))["verification"]["ok"] is True
            await place.client.delete_canister_snapshot(place.module, SnapshotId.parse(taken))
            assert (await place.client.canister_status(place.module)).status == "running"
    tell(capsys, "downloads", kills, times)
    assert kills >= times // 2


async def kill_uploads(folder, capsys, *, seed, times):
    chance, kills = Chance(seed), 0
    async with world(folder) as place:
        at = ("--module", place.module)
        await place.ask("backup", "create", *at, "-o", place.folder / "copy")
        (first,) = await place.snapshot_ids()
        for _ in range(times):
            words = ("snapshot", "upload", "copy", *at, "--yes")
            for _ in range(1 + chance.below(3)):
                was_cut = await run_killed(place, draw(chance), *words)
                kills += was_cut
                if not was_cut:
                    break
            else:
                ran = await place.run(*words)
                assert ran.code == 0, ran.err
            (uploaded,) = await place.snapshot_ids() - {first}
            back = place.folder / uploaded
            await place.ask("snapshot", "download", uploaded, *at, "-o", back)
            same_content(place.folder / "copy", back)
            await place.client.delete_canister_snapshot(place.module, SnapshotId.parse(uploaded))
    tell(capsys, "uploads", kills, times)
    assert kills >= times // 2


async def kill_restores(folder, capsys, points):
    """The whole of ``backup restore``, its load too, killed once at each of ``points``."""
    kills = 0
    async with replica_process(folder) as replica:
        for point in points:
            async with place_on(replica, folder) as place:
                at = ("--module", place.module)
                await place.ask("backup", "create", *at, "-o", place.folder / "copy")
                await place.write("later", "lost on purpose")
                words = ("backup", "restore", "copy", *at, "--yes")
                if await run_killed(place, point, *words):
                    kills += 1
                    ran = await place.run(*words)
                    assert ran.code == 0, (point, ran.err)
                    assert ran.document["outcome"] == "restored"
                seen = await place.look()
                assert seen["status"] == "running", point
                assert seen["documents"] == {"greeting": "hello"}, point
                assert place.executed()["load_canister_snapshot"] == 1, point
                # The first one, the uploaded one, and the state that was loaded over.
                assert len(await place.snapshot_ids()) == 3, point
    tell(capsys, "restores", kills, len(points))
    assert kills >= len(points) // 2


def tell(capsys, what, kills, times):
    with capsys.disabled():
        sys.stdout.write(f"\n{times} {what}, killed {kills} times, each whole in the end\n")


async def test_a_killed_download_goes_on(tmp_path, capsys):
    await kill_downloads(tmp_path, capsys, seed=1, times=2)


async def test_a_killed_upload_goes_on(tmp_path, capsys):
    await kill_uploads(tmp_path, capsys, seed=2, times=2)


async def test_a_killed_restore_goes_on(tmp_path, capsys):
    await kill_restores(tmp_path, capsys, [(12, "during", 0), (14, "after", 0)])


@pytest.mark.campaign
async def test_restores_are_killed_at_each_call(tmp_path, capsys):
    moments = ("before", "during", "after")
    points = [(number, moment, 0) for number in range(1, 21) for moment in moments]
    await kill_restores(tmp_path, capsys, points)


@pytest.mark.campaign
async def test_twenty_downloads_are_killed(tmp_path, capsys):
    await kill_downloads(tmp_path, capsys, seed=20, times=20)


@pytest.mark.campaign
async def test_twenty_uploads_are_killed(tmp_path, capsys):
    await kill_uploads(tmp_path, capsys, seed=21, times=20)
