"""Signals as people and CI systems send them, in every step of an upgrade."""

import asyncio
import itertools
import signal
from dataclasses import dataclass

import pytest

from tests.chance import Chance
from tests.crash.crash_world import PATIENCE_SECONDS, ended, place_on, replica_process, send
from tests.crash.gate import LostError
from tests.crash.matrix import bring_to_end, check, each_of, prepared
from tests.crash.stories import INTERRUPTED, UPGRADE, upgrade_words
from tests.integration.pipeline_world import V2

pytestmark = pytest.mark.anyio

STEPS = {
    "observe": "canister_status",
    "stop": "stop_canister",
    "snapshot": "take_canister_snapshot",
    "install": "install_code",
    "start": "start_canister",
    "verify": "read_state",
}
"""Each step and the request in which it is met."""

CANCELLED = 130
REFUSED = 5
CI_PAUSES = (7.5, 2.5)
"""Seconds from SIGINT to SIGTERM, and from there to SIGKILL. Source: DESIGN, section 6.1."""
SHORT_PAUSES = (0.6, 0.2)


@dataclass(frozen=True)
class Case:
    """Where the signals come, and what becomes of what was under way."""

    step: str
    holds_all: bool
    """Nothing gets through any more from the moment of the first signal on."""
    is_lost: bool
    """What was held is lost; else it arrives when the process is gone."""
    is_state_lost: bool
    """Whoever comes next has an empty state directory."""


CASES = tuple(
    Case(step, *kinds) for step in STEPS for kinds in itertools.product((False, True), repeat=3)
)


@dataclass
class Meeting:
    """Holds the request of a step at the gate from the moment it comes, with those behind it."""

    step: str
    place: object
    holds_all: bool = False
    is_lost: bool = False
    """Whether what was held is lost in the end; else it arrives late."""

    def __post_init__(self):
        self.come, self.over = asyncio.Event(), asyncio.Event()

    def is_met(self, passing):
        if passing.method != STEPS[self.step] or passing.moment != "before":
            return False
        return self.step != "verify" or "start_canister" in self.place.gate.calls

    async def watch(self, passing):
        if self.come.is_set() and not self.holds_all:
            return
        if not self.come.is_set() and not self.is_met(passing):
            return
        self.come.set()
        if passing.moment == "before":
            await self.over.wait()
            if self.is_lost:
                raise LostError


async def begun(place, words, meeting):
    """A process that has come to the step and is held there."""
    place.gate.watch = meeting.watch
    process = await place.begin(*words)
    end, come = asyncio.ensure_future(ended(process)), asyncio.ensure_future(meeting.come.wait())
    await asyncio.wait({end, come}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_SECONDS)
    assert come.done(), end.result()
    return process, end


async def send_all(process, end, pauses):
    """SIGINT, SIGTERM and SIGKILL with ``pauses`` between them, as far as it is still there."""
    for number, pause in zip(
        (signal.SIGINT, signal.SIGTERM, signal.SIGKILL), (*pauses, None), strict=True
    ):
        if end.done():
            break
        send(process, number)
        await asyncio.wait({end}, timeout=pause or PATIENCE_SECONDS)
    return await end


@pytest.mark.parametrize("step", STEPS)
async def test_an_interrupt_alone_leaves_the_module_running(tmp_path, step):
    async with replica_process(tmp_path) as replica, place_on(replica, tmp_path) as place:
        words = await prepared(place, UPGRADE)
        before = place.executed()
        meeting = Meeting(step, place)
        process, end = await begun(place, words, meeting)
        send(process, signal.SIGINT)
        meeting.over.set()
        ran = await end
        assert ran.code == CANCELLED, ran
        seen = await place.look()
        assert (seen["status"], seen["documents"]) == ("running", UPGRADE.left["documents"])
        place.gate.forget()
        await bring_to_end(place, INTERRUPTED, words)
        await check(place, INTERRUPTED, before)


async def in_a_ci_system(replica, folder, case, pauses):
    """An upgrade that gets all three signals while ``case`` holds it; all is well afterwards."""
    async with place_on(replica, folder) as place:
        words = await prepared(place, UPGRADE)
        before = place.executed()
        meeting = Meeting(case.step, place, holds_all=case.holds_all, is_lost=case.is_lost)
        process, end = await begun(place, words, meeting)
        await send_all(process, end, pauses)
        meeting.over.set()
        await place.gate.clear()
        place.gate.forget()
        if case.is_state_lost:
            await retry_without_state(place)
        else:
            await bring_to_end(place, INTERRUPTED, words)
            await check(place, INTERRUPTED, before)


async def retry_without_state(place):
    """Where nothing is known of the first run, success is told of a running module only."""
    ran = await place.run(*upgrade_words(place, V2), state=place.folder / "empty")
    seen = await place.look()
    if ran.code == 0:
        assert (seen["status"], seen["version"]) == ("running", "0.2.0")
        assert seen["documents"] == UPGRADE.left["documents"]
    else:
        assert (ran.code, ran.error["code"]) == (REFUSED, "found-stopped"), ran
        assert seen["status"] == "stopped"


async def all_cases(folder, capsys, cases, pauses):
    async with replica_process(folder) as replica:
        tally = await each_of(cases, lambda case: in_a_ci_system(replica, folder, case, pauses))
    tally.show(capsys, "SIGINT, SIGTERM, SIGKILL")
    assert not tally.failures


async def test_the_signals_of_a_ci_system_leave_nothing_in_doubt(tmp_path, capsys):
    await all_cases(tmp_path, capsys, Chance(4).sample(CASES, 8), SHORT_PAUSES)


@pytest.mark.campaign
async def test_the_signals_of_a_ci_system_leave_nothing_in_doubt_in_any_step(tmp_path, capsys):
    await all_cases(tmp_path, capsys, CASES, CI_PAUSES)
