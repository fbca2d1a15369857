"""Many calls at the same time, each harmless to repeat: as many as the network lets, and no more.

For reading and writing the content of snapshots. Those are update calls, but reading changes
nothing, and a slice that is written twice is the same slice: where the outcome of a call is not
known another one is made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias, TypeVar

from juno_snap.agent.agent import Agent
from juno_snap.clock import Clock
from juno_snap.errors import OutcomeUnknownError, RejectedError, TransportError
from juno_snap.events import Observer, Waiting
from juno_snap.pipeline import codes
from juno_snap.units import NS_PER_SECOND
from juno_snap.waits import growing_wait

T = TypeVar("T")
Job: TypeAlias = Callable[[], Awaitable[None]]

IN_FLIGHT_MAX: Final = 40
"""Calls under way at a time: an upload of slices of 2 MB holds each of them. icp-cli has 50
(``snapshot_transfer.rs``), and holds an upload whole."""

TRIES: Final = 3
"""Calls for the same thing, each of which is already sent again by the agent until it expires."""

PATIENCE_SECONDS: Final = 600.0
"""How long a refusal is waited out that passes by itself."""

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 20.0


async def in_window(agent: Agent, jobs: Iterable[Job], *, most: int = IN_FLIGHT_MAX) -> None:
    """Do all ``jobs``, at most ``most`` at a time; a job is asked for when there is room for it.

    When the network asks to slow down (429), or is too slow for what is under way, the room is
    halved, and grows again by one for each round without that. When a job fails the others are
    given up.

    Raises:
        JunoSnapError: Whatever ended the first job that failed.
    """
    room, quiet, slow_downs = most, 0, agent.slow_downs
    running: set[asyncio.Future[None]] = set()
    try:
        for job in jobs:
            running.add(asyncio.ensure_future(job()))
            while len(running) >= room:
                ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for each in ended:
                    each.result()
                quiet += len(ended)
                if agent.slow_downs > slow_downs:
                    room, quiet = max(1, room // 2), 0
                elif quiet >= room:
                    room, quiet = min(most, room + 1), 0
                slow_downs = agent.slow_downs
        while running:
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in ended:
                each.result()
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def persistently(call: Callable[[], Awaitable[T]], *, clock: Clock, observer: Observer) -> T:
    """What ``call`` returns, which is made anew where its outcome is unknown.

    A refusal that passes by itself (heap delta) is waited out for up to ten minutes.

    Raises:
        JunoSnapError: What the last call ended with.
    """
    tries, waits = 1, 0
    began_ns = clock.monotonic_ns()
    while True:
        try:
            return await call()
        except (OutcomeUnknownError, TransportError):
            if tries == TRIES:
                raise
            tries += 1
        except RejectedError as error:
            spent_seconds = (clock.monotonic_ns() - began_ns) / NS_PER_SECOND
            if not codes.is_temporary(error) or spent_seconds > PATIENCE_SECONDS:
                raise
            waits += 1
            wait = growing_wait(FIRST_WAIT_SECONDS, 2.0, LONGEST_WAIT_SECONDS, waits)
            left = PATIENCE_SECONDS - spent_seconds
            observer(Waiting(reason=error.message, remaining_seconds=left))
            await clock.sleep(wait)
