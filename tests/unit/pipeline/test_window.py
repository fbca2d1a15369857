"""How many calls are under way at a time."""

import asyncio
from dataclasses import dataclass

import pytest

from juno_snap.pipeline.window import in_window

pytestmark = pytest.mark.anyio


@dataclass
class Network:
    """What a window asks of an agent, and jobs that count how many of them are under way."""

    slow_downs: int = 0
    running: int = 0
    seen: int = 0

    def jobs(self, count):
        return [self.job] * count

    async def job(self):
        self.running += 1
        self.seen = max(self.seen, self.running)
        await asyncio.sleep(0)
        self.running -= 1

    async def slow_job(self):
        await self.job()
        self.slow_downs += 1


async def test_no_more_are_under_way_than_said():
    network = Network()
    await in_window(network, network.jobs(50), most=7)
    assert (network.seen, network.running) == (7, 0)


async def test_a_network_that_is_too_slow_gets_fewer_at_a_time_and_more_again_later():
    network = Network()

    def jobs():
        yield from [network.slow_job] * 8
        network.seen = 0
        yield network.job
        yield network.job
        assert network.seen <= 4
        yield from network.jobs(100)

    await in_window(network, jobs(), most=8)
    assert network.seen == 8


async def test_the_first_failure_ends_the_others():
    network = Network()

    async def fail():
        raise ValueError("no")

    async def wait():
        try:
            await asyncio.Event().wait()
        finally:
            network.running -= 1

    network.running = 2
    with pytest.raises(ValueError, match="no"):
        await in_window(network, [wait, wait, fail], most=3)
    assert network.running == 0
