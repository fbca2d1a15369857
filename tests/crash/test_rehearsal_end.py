"""Rehearsals that are ended from outside, where the network is asked for something for them."""

import asyncio
import signal

import pytest

from tests.crash.crash_world import ended, ended_at_once, place_on, replica_process, send
from tests.crash.gate import LostError
from tests.integration.pipeline_world import V2

pytestmark = pytest.mark.anyio

CANCELLED = 130
TAKE, READ, DELETE = (
    "take_canister_snapshot",
    "read_canister_snapshot_data",
    "delete_canister_snapshot",
)
"""What is called for a rehearsal, in this order."""


def words_for(place, verb="rehearse", *more):
    file = place.folder / "new.wasm"
    file.write_bytes(V2)
    return (verb, "--module", place.module, "--src", file, *more)


@pytest.fixture
async def place(tmp_path):
    async with replica_process(tmp_path) as replica, place_on(replica, tmp_path) as place:
        yield place


async def kill_at(place, words, method, moment):
    """Kill a process where it calls ``method``, whose call may arrive or not."""
    process = await place.begin(*words)

    async def watch(passing):
        if (passing.method, passing.moment) == (method, moment):
            await ended_at_once(process)
            if moment == "before":
                raise LostError

    place.gate.watch = watch
    ran = await ended(process)
    assert ran.code == -signal.SIGKILL, ran
    await place.gate.clear()
    place.gate.forget()


@pytest.mark.parametrize(
    ("method", "moment"),
    [(TAKE, "before"), (TAKE, "during"), (READ, "before"), (DELETE, "during")],
)
async def test_what_a_killed_rehearsal_left_is_gone_after_the_next(place, method, moment):
    before = await place.look()
    await kill_at(place, words_for(place), method, moment)
    assert len(await place.snapshot_ids()) <= 1
    ran = await place.run(*words_for(place))
    assert (ran.code, ran.document["rehearsal"]["outcome"]) == (0, "passed"), ran
    assert await place.snapshot_ids() == set()
    assert await place.look() == before
    assert place.called()["stop_canister"] == 0


async def test_an_upgrade_goes_on_after_its_rehearsal_was_killed(place):
    words = words_for(place, "upgrade", "--rehearse")
    await kill_at(place, words, TAKE, "during")
    ran = await place.run(*words)
    assert ran.code == 0, ran
    assert await place.snapshot_ids() == {ran.document["snapshot"]}


async def test_the_snapshot_of_a_killed_rehearsal_is_never_the_latest(place):
    await kill_at(place, words_for(place), READ, "before")
    (left,) = await place.snapshot_ids()
    listed = (await place.ask("snapshot", "list", "--module", place.module))["snapshots"]
    assert [(each["id"], each["made_by"].split()[0]) for each in listed] == [(left, "rehearsal")]
    ran = await place.run("snapshot", "show", "latest", "--module", place.module)
    assert ran.code == 4


@pytest.mark.parametrize("method", [TAKE, READ])
async def test_an_interrupted_rehearsal_deletes_its_snapshot_itself(place, method):
    come, over = asyncio.Event(), asyncio.Event()

    async def hold(passing):
        if (passing.method, passing.moment) == (method, "before"):
            come.set()
            await over.wait()

    place.gate.watch = hold
    before = await place.look()
    process = await place.begin(*words_for(place))
    end = asyncio.ensure_future(ended(process))
    await asyncio.wait({end, asyncio.ensure_future(come.wait())}, return_when="FIRST_COMPLETED")
    assert not end.done(), end.result()
    send(process, signal.SIGINT)
    over.set()
    ran = await end
    assert ran.code == CANCELLED, ran
    assert await place.snapshot_ids() == set()
    assert await place.look() == before
