"""The command line is killed while the replica loses one of its calls, and brought to its end.

What a story needs is made once; each loss happens on a copy of that replica's directory, in a
process with the fault.
"""

import contextlib
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from juno_snap.ids import Principal
from juno_snap.replica.background import CACHE_FOLDER
from tests.crash.crash_world import place_of, place_on, replica_process
from tests.crash.matrix import AtCall, check, each_of, prepared, survive_in
from tests.crash.stories import Story

FAULTS = {
    "drop-before=1": "after",
    "drop-after=1": "after",
    "late=1s": "after",
    "late=9s": "during",
}
"""What becomes of a call, and when its sender is killed: when the connection breaks off, when it
was executed late, and before it is."""


AT_ONCE = 6
"""Losses at the same time: most of the time they wait for what comes late, or expires."""


@dataclass(frozen=True)
class Loss:
    """A call of a story with which something goes wrong, while its sender dies."""

    story: Story
    method: str
    fault: str
    nth: int = 1
    """Which call of its method."""

    def __str__(self):
        return f"{self.story.name}, {self.fault}@call:{self.method}, number {self.nth}"


def losses_of(story, calls):
    """Every fault of every one of these ``calls``."""
    seen = Counter()
    for method in calls:
        seen[method] += 1
        for fault in FAULTS:
            yield Loss(story, method, fault, seen[method])


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a story begins with, on disk."""

    directory: Path
    """Of the replica."""
    home: Path
    """Of who cares for the module."""
    module: Principal
    before: object
    words: tuple


async def started_with(story, folder):
    """What ``story`` needs is made, and kept when the replica has ended."""
    directory = Path(tempfile.mkdtemp(dir=folder, prefix="start-"))
    async with replica_process(folder, directory=directory) as replica:
        async with place_on(replica, folder) as place:
            words = await prepared(place, story)
        return Start(
            directory=directory,
            home=place.folder,
            module=place.module,
            before=place.before,
            words=words,
        )


async def calls_of(story, start, folder):
    """The methods that an undisturbed run calls, in order; it must go well."""
    async with begun_from(start, folder) as place:
        begun = place.executed()
        ran = await place.run(*start.words)
        assert ran.code == story.code, ran.err
        calls = tuple(place.gate.calls)
        await check(place, story, begun)
        return calls


@contextlib.asynccontextmanager
async def begun_from(start, folder, *faults):
    """A copy of what a story begins with, on a replica with these faults."""
    copy = Path(tempfile.mkdtemp(dir=folder, prefix="copy-"))
    replica_directory, home = copy / "replica", copy / "home"
    machine_code = shutil.ignore_patterns(CACHE_FOLDER)
    shutil.copytree(start.directory, replica_directory, ignore=machine_code)
    replica_directory.joinpath(CACHE_FOLDER).symlink_to(start.directory / CACHE_FOLDER)
    shutil.copytree(start.home, home)
    async with (
        replica_process(folder, *faults, directory=replica_directory) as replica,
        place_of(replica, home, start.module, before=start.before) as place,
    ):
        yield place
    shutil.rmtree(copy)


async def lose_all(folder, losses, starts=None):
    """Each loss on a replica of its own, in which the fault happens once."""
    starts = dict(starts or {})
    for story in dict.fromkeys(loss.story for loss in losses):
        if story not in starts:
            starts[story] = await started_with(story, folder)

    async def lose(loss):
        skipped = f"+{loss.nth - 1}" if loss.nth > 1 else ""
        point = AtCall(method=loss.method, nth=loss.nth, moment=FAULTS[loss.fault])
        start = starts[loss.story]
        spec = f"{loss.fault}{skipped}@call:{loss.method}"
        async with begun_from(start, folder, spec) as place:
            await survive_in(place, loss.story, start.words, point)

    return await each_of(losses, lose, at_once=AT_ONCE)
