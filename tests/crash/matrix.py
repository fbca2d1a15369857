"""Kill the command line at a point, bring the operation to its end, and see whether all is well."""

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass

from tests.crash.crash_world import Place, ended, ended_at_once, place_on, was_killed
from tests.crash.gate import LostError
from tests.crash.stories import Story

NOT_FOUND = 4
AT_ONCE = 2
"""Places that are worked at at the same time."""


@dataclass(frozen=True, kw_only=True)
class AtCall:
    """Killed when a call comes to the gate, when it has gone through, or when its answer comes."""

    number: int = 0
    """Of the call, from 1; 0: of its method."""
    method: str
    nth: int = 1
    """Which call of its method, where that counts."""
    moment: str

    def is_met(self, passing):
        if self.number:
            return (self.number, self.moment) == (passing.number, passing.moment)
        said = (self.method, self.nth, self.moment)
        return said == (passing.method, passing.nth, passing.moment)


@dataclass(frozen=True, kw_only=True)
class AtWrite:
    """Killed before or after a write."""

    number: int
    """From 1, of the lines that ``killing_cli`` writes."""
    what: str


class WrongError(AssertionError):
    """What is not as it should be, with the case in which it is not."""


async def points_of(replica, story: Story, folder):
    """The points of an undisturbed run, which must go well itself."""
    async with place_on(replica, folder) as place:
        words = await prepared(place, story)
        begun = place.executed()
        log = place.folder / "writes.log"
        ran = await place.run(*words, killing=(log, place.state, 0))
        assert ran.code == story.code, ran.err
        calls = [
            AtCall(number=number, method=method, moment=moment)
            for number, method in enumerate(place.gate.calls, 1)
            for moment in ("before", "after")
        ]
        lines = log.read_text().splitlines() if log.exists() else []
        writes = [AtWrite(number=number, what=what) for number, what in enumerate(lines, 1)]
        await check(place, story, begun)
        return calls + writes


async def prepared(place: Place, story: Story):
    """The words of the story's command, with the gate ready to count."""
    words = await story.prepare(place)
    place.gate.forget()
    return words


async def killed_at(place: Place, point, words):
    """Whether the process got as far as to be killed; and what it came to."""
    if isinstance(point, AtWrite):
        log = place.folder / "writes.log"
        ran = await place.run(*words, killing=(log, place.state, point.number))
        return was_killed(ran), ran
    process = await place.begin(*words)

    async def watch(passing):
        if not point.is_met(passing) or process.returncode is not None:
            return
        await ended_at_once(process)
        if point.moment != "during":
            raise LostError

    place.gate.watch = watch
    ran = await ended(process)
    if point.moment != "during":
        await place.gate.clear()
    place.gate.forget()
    return was_killed(ran), ran


async def survive(replica, story: Story, point, folder, *, is_certain=True, then=None):
    """Kill the story's command at ``point``, bring it to its end, and see that all is well.

    Where it is not certain that there is such a point, the command may have ended before. ``then``
    is a point at which whoever brings it to its end is killed as well, if it comes so far.
    """
    async with place_on(replica, folder) as place:
        words = await prepared(place, story)
        await survive_in(place, story, words, point, is_certain=is_certain, then=then)


async def survive_in(place: Place, story: Story, words, point, *, is_certain=True, then=None):
    """The same in a place that is prepared."""
    begun = place.executed()
    known = len(await operations(place))
    killed, ran = await killed_at(place, point, words)
    assert killed or (ran.code == story.code and not is_certain), f"not at {point}: {ran}"
    if then is not None:
        await killed_at(place, then, ("resume", "--module", place.module))
    await bring_to_end(place, story, words, known=known)
    await check(place, story, begun)


async def bring_to_end(place: Place, story: Story, words, *, known=0):
    """What a person does next: ``resume``, and the command again where it was not begun or was
    given up in order."""
    ran = await place.run("resume", "--module", place.module)
    if ran.code == NOT_FOUND and await is_to_be_done(place, story, known):
        ran = await place.run(*words)
    assert ran.code in {story.code, NOT_FOUND}, ran
    ran = await place.run("resume", "--module", place.module)
    assert ran.code == NOT_FOUND, ran


async def is_to_be_done(place: Place, story: Story, known):
    """Whether there is no new operation, or one that ended in a way that the story allows."""
    done = await operations(place)
    return len(done) == known or done[0]["outcome"] in story.given_up


async def operations(place: Place):
    """What the history says, the newest first."""
    return (await place.ask("history", "--module", place.module))["operations"]


async def check(place: Place, story: Story, begun: Counter):
    """The module, its snapshots, its calls and its history are as the story ends."""
    seen = await story.look(place)
    del seen["controllers"]
    assert seen == story.left, seen
    listed = (await place.ask("snapshot", "list", "--module", place.module))["snapshots"]
    assert sorted(each["made_by"].split()[0] for each in listed) == list(story.purposes), listed
    executed = place.executed() - begun
    latest = (await operations(place))[0]
    assert story.executed <= executed <= story.executed + story.most, (
        executed,
        told(latest["steps"]),
    )
    assert latest["outcome"] == story.outcome, (latest["outcome"], told(latest["steps"]))
    check_steps(latest["steps"])


def check_steps(steps):
    """Nothing is in doubt: no call without an outcome; what a dead process had begun was done again
    if it was not settled."""
    ended = {step["name"]: step["outcome"] for step in steps}
    assert not {"begun", "unknown"} & set(ended.values()), told(steps)
    assert all(call["state"] != "open" for step in steps for call in step["calls"]), told(steps)


def told(steps):
    """What was done, in a line."""
    return "; ".join(
        " ".join([step["name"], step["outcome"], *(call["state"] for call in step["calls"])])
        for step in steps
    )


@dataclass
class Tally:
    """What a campaign came to."""

    results: list

    @property
    def failures(self):
        return [str(each) for each in self.results if isinstance(each, BaseException)]

    def show(self, capsys, what):
        """Print the figures, and how to see each failure again."""
        told = f"{what}: {len(self.results)} points or cases, {len(self.failures)} failures"
        with capsys.disabled():
            sys.stdout.write("\n".join(["", told, *self.failures, ""]))


async def each_of(items, work, *, at_once=AT_ONCE):
    """Do ``work`` for every item, a few at a time, whatever becomes of the others."""
    limit = asyncio.Semaphore(at_once)

    async def one(item):
        async with limit:
            try:
                return await work(item)
            except Exception as error:
                raise WrongError(f"{item}: {type(error).__name__}: {error}") from error

    return Tally(await asyncio.gather(*map(one, items), return_exceptions=True))


async def matrix(replica, story: Story, folder, choose):
    """Every point that ``choose`` leaves over, each with a module and a state of its own."""
    points = choose(await points_of(replica, story, folder))
    return await each_of(points, lambda point: survive(replica, story, point, folder))
