"""The way through several releases is killed: the snapshot before the first is never lost."""

import hashlib

import pytest

from juno_snap.replica.samples import sample
from tests.crash.crash_world import place_on, replica_process
from tests.crash.matrix import AtWrite, each_of, killed_at
from tests.integration.pipeline_world import V1
from tests.juno.cdn import running_cdn

pytestmark = pytest.mark.anyio

POINTS_MIN = 40
LABEL = "before-0.3.0"
V2 = sample("document_store_v2")
RELEASES = {"0.2.0": V2, "0.3.0": V2.replace(b'"version": "0.2.0"', b'"version": "0.3.0"')}


@pytest.fixture(scope="module")
def cdn():
    with running_cdn() as running:
        for version, wasm in RELEASES.items():
            running.publish("satellite", version, wasm)
        yield running


def words(place, cdn):
    """The command, and the project that it is called in."""
    said = f'[releases]\nurl = "{cdn.files}"\nchecksums_url = "{cdn.checksums}"\n'
    (place.folder / "juno-snap.toml").write_text(said, encoding="utf-8")
    return ("upgrade", "--module", place.module, "--latest", "--step")


async def check(place):
    """All releases are installed, and the data of before the first is kept, by its label."""
    seen = await place.look()
    assert (seen["status"], seen["documents"]) == ("running", {"greeting": "hello"})
    about = ("--module", place.module)
    assert (await place.ask("status", *about))["version"] == "0.3.0"
    kept = (await place.ask("snapshot", "show", LABEL, *about))["snapshot"]
    assert kept["wasm_hash"] == hashlib.sha256(V1).hexdigest()
    assert (await place.ask("snapshot", "list", *about))["slots_used"] == 2


async def writes_of(replica, folder, cdn):
    """What an undisturbed run writes, in order."""
    async with place_on(replica, folder) as place:
        log = place.folder / "writes.log"
        ran = await place.run(*words(place, cdn), killing=(log, place.state, 0))
        assert ran.code == 0, ran.err
        await check(place)
        return log.read_text().splitlines()


async def survive(replica, folder, cdn, number):
    """Killed at a write, and called again."""
    async with place_on(replica, folder) as place:
        said = words(place, cdn)
        killed, ran = await killed_at(place, AtWrite(number=number, what=""), said)
        assert killed, ran
        again = await place.run(*said)
        assert again.code == 0, again.err
        await check(place)


def around_the_label(writes):
    """Before and after the first snapshot is written down, and when its upgrade has ended."""
    taken = next(number for number, what in enumerate(writes, 1) if "snapshots" in what)
    begun = [number for number, what in enumerate(writes, 1) if "insert operations" in what]
    ended = max(n for n, what in enumerate(writes[: begun[2] - 1], 1) if "operations" in what)
    return [taken, taken + 1, ended]


async def test_the_first_snapshot_is_kept_whenever_the_run_is_killed(tmp_path, capsys, cdn):
    async with replica_process(tmp_path) as replica:
        writes = await writes_of(replica, tmp_path, cdn)
        points = around_the_label(writes)
        tally = await each_of(points, lambda point: survive(replica, tmp_path, cdn, point))
    tally.show(capsys, "releases, killed around the first snapshot's label")
    assert not tally.failures


@pytest.mark.campaign
async def test_the_first_snapshot_is_kept_at_any_write(tmp_path, capsys, cdn):
    async with replica_process(tmp_path) as replica:
        points = range(1, len(await writes_of(replica, tmp_path, cdn)) + 1)
        tally = await each_of(points, lambda point: survive(replica, tmp_path, cdn, point))
    tally.show(capsys, "releases, killed at any write")
    assert len(tally.results) >= POINTS_MIN
    assert not tally.failures
