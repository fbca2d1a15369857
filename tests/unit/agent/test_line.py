"""How many large bodies are on their way at a time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.agent.line import (
    LARGE_BODY_BYTES,
    PLACES_AT_FIRST,
    PLACES_MAX,
    QUICK_SECONDS,
    SLOW_SECONDS,
    Line,
)

pytestmark = pytest.mark.anyio

LARGE = LARGE_BODY_BYTES + 1
QUICKLY = QUICK_SECONDS / 2
STEADILY = (QUICK_SECONDS + SLOW_SECONDS) / 2
SLOWLY = SLOW_SECONDS * 2


class Time:
    """Stands still but for what a test adds."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def line(time):
    return Line(now_seconds=time)


async def carry(line, seconds, time, *, arrived=True):
    """A large body goes over the line, and nothing else."""
    turn = await line.turn(LARGE)
    time.seconds += seconds
    turn.judge(arrived=arrived)


async def places(line):
    """How many large bodies it takes more."""
    taken = []
    while line.has_room:
        taken.append(await line.turn(LARGE))
    for turn in taken:
        turn.end()
    return len(taken)


async def test_few_are_carried_until_it_is_known_how_quick_it_is(line, time):
    assert await places(line) == PLACES_AT_FIRST
    await carry(line, STEADILY, time)
    assert await places(line) == PLACES_AT_FIRST


async def test_each_that_is_quick_makes_room_for_another(line, time):
    await carry(line, QUICKLY, time)
    assert await places(line) == PLACES_AT_FIRST + 1
    for _ in range(PLACES_MAX):
        await carry(line, QUICKLY, time)
    assert await places(line) == PLACES_MAX


@pytest.mark.parametrize(("seconds", "arrived"), [(SLOWLY, True), (QUICKLY, False)])
async def test_one_that_is_slow_or_lost_halves_the_room_but_one_goes_always(
    line, time, seconds, arrived
):
    for _ in range(PLACES_MAX):
        await carry(line, QUICKLY, time)
    seen = []
    while await places(line) not in seen:
        seen.append(await places(line))
        await carry(line, seconds, time, arrived=arrived)
    assert seen == [PLACES_MAX, 6, 3, 1]


async def test_the_time_of_a_body_is_that_until_it_was_handed_over(line, time):
    turn = await line.turn(LARGE)
    turn.end()
    time.seconds += SLOWLY  # the answer takes its time
    turn.judge(arrived=True)
    assert await places(line) == PLACES_AT_FIRST + 1


async def test_small_bodies_do_not_wait_and_say_nothing(line, time):
    turns = [await line.turn(LARGE_BODY_BYTES) for _ in range(PLACES_MAX)]
    time.seconds += SLOWLY
    for turn in turns:
        turn.judge(arrived=False)
    assert await places(line) == PLACES_AT_FIRST


async def test_what_has_come_takes_a_place_while_it_is_dealt_with(line):
    with line.occupied(LARGE), line.occupied(LARGE_BODY_BYTES):
        assert await places(line) == PLACES_AT_FIRST - 1
        with line.occupied(LARGE), line.occupied(LARGE):  # more than there are
            assert await places(line) == 0
    assert await places(line) == PLACES_AT_FIRST


async def test_who_waits_is_next_when_a_place_is_free(line):
    held = [await line.turn(LARGE) for _ in range(PLACES_AT_FIRST)]
    waiting = asyncio.create_task(line.turn(LARGE))
    await asyncio.sleep(0)
    assert not waiting.done()
    held[0].end()
    assert await waiting


async def test_who_gets_no_place_in_time_is_told(line):
    for _ in range(PLACES_AT_FIRST):
        await line.turn(LARGE)
    with pytest.raises(TimeoutError):
        await line.turn(LARGE, within_seconds=0)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(min_value=0))))
def test_places_are_neither_lost_nor_made(steps):
    async def run():
        line, held = Line(), []
        for is_taken, arrived, which in steps:
            if is_taken and line.has_room:
                held.append(await line.turn(LARGE))
            elif held and not is_taken:
                held.pop(which % len(held)).judge(arrived=arrived)
            assert len(held) <= PLACES_MAX
        for turn in held:
            turn.end()
        assert 1 <= await places(line) <= PLACES_MAX

    asyncio.run(run())
