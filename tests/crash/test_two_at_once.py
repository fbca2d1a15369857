"""Two upgrades of one module at the same time, from two processes."""

import asyncio
from hashlib import sha256

import pytest

from tests.crash.crash_world import PATIENCE_SECONDS, ended, place_on, replica_process
from tests.crash.matrix import each_of
from tests.crash.stories import upgrade_words
from tests.integration.pipeline_world import V1, V2, grown

pytestmark = pytest.mark.anyio

LOCKED, REFUSED = 3, 5
STOP = "stop_canister"
TAKE, INSTALL, START = "take_canister_snapshot", "install_code", "start_canister"
END = "its end"
MEETINGS = (
    (TAKE, TAKE),
    (TAKE, START),
    (TAKE, END),
    (INSTALL, TAKE),
    *((first, second) for first in (START, END) for second in (TAKE, INSTALL, START, END)),
)
"""Where the first is held until the second has come to its own place, and ends after the first.

Left out is what no check can prevent: an install that is on its way while somebody else's arrives.
"""


class Halts:
    """Holds the first call of each method at a gate, one after the other."""

    def __init__(self, gate, *methods):
        self.gate = gate
        self.places = {method: (asyncio.Event(), asyncio.Event()) for method in methods}
        gate.watch = self.watch

    async def watch(self, passing):
        if passing.moment == "before" and passing.method in self.places:
            come, over = self.places[passing.method]
            come.set()
            await over.wait()

    async def reached(self, method, end):
        """Let go until it comes to ``method``, or to its end."""
        for earlier, (_, over) in self.places.items():
            if earlier == method:
                break
            over.set()
        waiting = {end}
        if method in self.places:
            waiting.add(asyncio.ensure_future(self.places[method][0].wait()))
        await asyncio.wait(waiting, return_when="FIRST_COMPLETED", timeout=PATIENCE_SECONDS)
        for each in waiting - {end}:
            each.cancel()


async def test_the_second_upgrade_with_the_same_state_is_locked_out(tmp_path):
    async with replica_process(tmp_path) as replica, place_on(replica, tmp_path) as place:
        words = upgrade_words(place, V2)
        halts = Halts(place.gate, TAKE)
        process = await place.begin(*words)
        first = asyncio.ensure_future(ended(process))
        await halts.reached(TAKE, first)
        async with place.beside() as other:
            second = await other.run(*words)
            assert not {STOP, TAKE, INSTALL, START} & set(other.gate.calls)
        assert (second.code, second.error["code"]) == (LOCKED, "locked")
        assert str(process.pid) in second.error["message"]
        await halts.reached(END, first)
        assert (await first).code == 0
        assert (await place.look())["version"] == "0.2.0"


async def interleave(replica, folder, meeting):
    """Both have seen the module and are about to stop it; the first goes on to its place, then the
    second to its own, then each to its end."""
    async with place_on(replica, folder) as place, place.beside("other") as beside:
        wasms, ends, halts = (V2, grown(V2, 0.1)), [], []
        for each, wasm, hold in zip((place, beside), wasms, meeting, strict=True):
            halts.append(Halts(each.gate, STOP, hold))
            ends.append(asyncio.ensure_future(each.run(*upgrade_words(each, wasm))))
            await halts[-1].reached(STOP, ends[-1])
        for halt, end, hold in zip(halts, ends, meeting, strict=True):
            await halt.reached(hold, end)
        for halt, end in zip(halts, ends, strict=True):
            await halt.reached(END, end)
        ran = [await end for end in ends]
        status = await place.client.canister_status(place.module)
        assert status.status == "running", ran
        assert await place.documents() == {"greeting": "hello"}
        codes = [each.code for each in ran]
        assert sorted(codes) in ([0, REFUSED], [REFUSED, REFUSED]), ran
        runs = wasms[codes.index(0)] if 0 in codes else V1
        assert status.module_hash == sha256(runs).digest(), ran


async def test_two_upgrades_with_states_of_their_own_are_not_mixed(tmp_path, capsys):
    async with replica_process(tmp_path) as replica:
        tally = await each_of(MEETINGS, lambda each: interleave(replica, tmp_path, each))
    tally.show(capsys, "two at once")
    assert not tally.failures
