"""Calls that come in late: a fault in which one node has a call and nobody else knows of it."""

import asyncio
from typing import final

from juno_snap.clock import Clock
from juno_snap.ids import Principal, RequestId
from juno_snap.replica.reject import Reject
from juno_snap.replica.request_log import RequestRecord
from juno_snap.replica.rounds import Rounds
from juno_snap.replica.rounds_time import SubnetTime
from juno_snap.units import NS_PER_SECOND
from juno_snap.wire.envelope import CallContent


@final
class LateCalls:
    """Holds calls back for a while. Belongs to the event loop."""

    def __init__(self, rounds: Rounds, *, clock: Clock, time: SubnetTime) -> None:
        self._rounds = rounds
        self._clock = clock
        self._time = time
        self._held: dict[RequestId, asyncio.Task[None]] = {}

    def holds(self, request_id: RequestId) -> bool:
        """Whether the call is held back, or was."""
        return request_id in self._held

    def add(
        self,
        call: CallContent,
        effective_canister_id: Principal,
        *,
        wait_ns: int,
        outcome: Reject | None,
        record: RequestRecord,
    ) -> asyncio.Future[None]:
        """Bring ``call`` into a round after ``wait_ns``; what comes back is done when it has ended.

        It never is where the call has expired or come in again meanwhile. ``record`` gets the
        number of the round, if somebody still waits then.
        """

        async def hold() -> None:
            await self._clock.sleep(wait_ns / NS_PER_SECOND)
            expired = call.ingress_expiry_ns < self._time.now_ns()
            if expired or self._rounds.history.find(call.request_id()) is not None:
                await asyncio.Event().wait()
            ticket = self._rounds.add(call, effective_canister_id, outcome=outcome)
            record.round_number = ticket.round_number
            await ticket.ended

        held = self._held[call.request_id()] = asyncio.create_task(hold())
        return held

    def drop(self) -> None:
        """Forget the calls that are held back; they never run."""
        for task in self._held.values():
            task.cancel()
