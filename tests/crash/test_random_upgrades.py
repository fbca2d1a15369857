"""Upgrades by chance under faults by chance: none is left stopped, loses data, or is in doubt."""

import sys
from dataclasses import dataclass

import pytest

from tests.chance import Chance
from tests.crash.crash_world import replica_process
from tests.crash.matrix import AtCall, AtWrite, each_of, survive
from tests.crash.random_upgrades import Campaign
from tests.crash.stories import STORIES

pytestmark = pytest.mark.anyio


async def upgrade_at_random(folder, capsys, *, seed, upgrades):
    campaign = Campaign(folder, Chance(seed))
    await campaign.run(upgrades)
    with capsys.disabled():
        told = ", ".join(f"{count} {what}" for what, count in campaign.outcomes.most_common())
        failed = [f"seed {seed}: {each}" for each in campaign.failures]
        lines = [f"{campaign.upgrades} random upgrades: {told}; {len(failed)} failures", *failed]
        sys.stdout.write("\n".join(["", *lines, ""]))
    assert not campaign.failures


async def test_random_upgrades_under_faults_lose_nothing(tmp_path, capsys):
    await upgrade_at_random(tmp_path, capsys, seed=6, upgrades=10)


@pytest.mark.campaign
async def test_two_hundred_random_upgrades_under_faults_lose_nothing(tmp_path, capsys):
    await upgrade_at_random(tmp_path, capsys, seed=200, upgrades=200)


@dataclass(frozen=True)
class Trial:
    """A command that is killed somewhere, on a network on which it is hard to be heard."""

    seed: int

    @property
    def drawn(self):
        """The story, where it is killed, where its resume is killed, and the faults."""
        chance = Chance(self.seed)
        story, points = chance.choose(STORIES), [random_point(chance), random_point(chance)]
        if chance.below(2):
            points[1] = None
        return story, *points, [hearing_fault(chance) for _ in range(1 + chance.below(4))]

    def __str__(self):
        story, point, then, faults = self.drawn
        return f"seed {self.seed}: {story}, {point}, then {then}, faults {faults}"


def random_point(chance):
    moment = chance.choose(("before", "after"))
    at_call = AtCall(number=1 + chance.below(12), method="", moment=moment)
    return chance.choose((at_call, AtWrite(number=1 + chance.below(50), what="")))


def hearing_fault(chance):
    """A fault that loses or delays requests, and decides nothing."""
    times, skip = 1 + chance.below(3), chance.below(40)
    place = chance.choose(("call", "query", "read_state", "*"))
    return chance.choose(
        (
            f"http={chance.choose((429, 500, 503))}x{times}+{skip + 1}@{place}",
            f"http-after=502x{times}+{skip + 1}@{place}",
            f"drop-before={times}+{skip + 1}@{place}",
            f"drop-after={times}+{skip + 1}@{place}",
            f"delay={chance.below(300)}msx{times}+{skip + 1}@{place}",
            f"late={chance.below(900) + 1}msx{times}+{skip + 1}@call",
        )
    )


async def try_all(folder, capsys, seeds):
    async def one(trial):
        story, point, then, faults = trial.drawn
        async with replica_process(folder, *faults) as replica:
            await survive(replica, story, point, folder, is_certain=False, then=then)

    tally = await each_of([Trial(seed) for seed in seeds], one)
    tally.show(capsys, "processes killed at random under faults")
    assert not tally.failures


async def test_processes_killed_at_random_under_faults_are_brought_to_their_end(tmp_path, capsys):
    await try_all(tmp_path, capsys, range(4))


@pytest.mark.campaign
async def test_many_processes_killed_at_random_are_brought_to_their_end(tmp_path, capsys):
    await try_all(tmp_path, capsys, range(1000, 1100))
