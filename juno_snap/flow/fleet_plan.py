"""What a run of a fleet would do: each module's own plan, and what all of it comes to."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from juno_snap.errors import JunoSnapError
from juno_snap.events import ItemsDone, Observer, ignore_events
from juno_snap.flow.fleet import Fleet, Member
from juno_snap.pipeline.plan_parts import Outline, Refusal
from juno_snap.pipeline.report import Json

MemberPlan: TypeAlias = Callable[[Member], Awaitable[tuple[Json, Outline | None]]]
"""A module's plan as a document, and in words where there is anything to do."""

ALLOW_FLAGS: Final = "--allow-"
"""How the flags begin whose rest stands in ``allow`` of a fleet file."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMember:
    """A module in a plan."""

    member: Member
    wave: int
    document: Json
    refusals: tuple[str, ...]
    """Why nothing would be done with it: its run would fail."""
    warnings: tuple[str, ...] = ()
    update_calls: int = 0
    rounds: int = 0
    cycles: int = 0
    """What does not come back, without what the module's own code does."""

    def to_json(self) -> Json:
        """An entry of ``modules``."""
        return {
            **self.document,
            "module": str(self.member.module),
            "name": self.member.name,
            "wave": self.wave,
            "ok": not self.refusals,
            "cycles_spent": str(self.cycles),
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What would be done; nothing has been changed."""

    fleet: Fleet
    members: tuple[PlannedMember, ...]

    @property
    def refused(self) -> int:
        """How many modules would fail before anything is done with them."""
        return sum(bool(each.refusals) for each in self.members)

    @property
    def totals(self) -> Mapping[str, int]:
        """Calls, rounds and cycles of the modules that are not refused."""
        return {
            "update_calls": sum(each.update_calls for each in self.members),
            "rounds": sum(self._rounds_of(wave) for wave in range(1, self._waves + 1)),
            "cycles": sum(each.cycles for each in self.members),
        }

    def to_json(self) -> Json:
        """The document of ``fleet plan``."""
        totals = self.totals
        return {
            "plan": {
                "fleet": self.fleet.name,
                "kind": self.fleet.kind,
                "waves": [
                    {"wave": number, "modules": size}
                    for number, size in enumerate(self.fleet.wave_sizes, 1)
                ],
                "concurrency": self.fleet.concurrency,
                "stop_after_failures": self.fleet.stop_after_failures,
                "pause_seconds": self.fleet.pause_seconds,
                "refused": self.refused,
                "update_calls": totals["update_calls"],
                "rounds": totals["rounds"],
                "cycles": str(totals["cycles"]),
                "modules": [each.to_json() for each in self.members],
            }
        }

    @property
    def _waves(self) -> int:
        return len(self.fleet.wave_sizes)

    def _rounds_of(self, wave: int) -> int:
        """Of a wave: as many modules at once as are allowed, each as long as the longest."""
        rounds = [each.rounds for each in self.members if each.wave == wave and each.rounds]
        return math.ceil(len(rounds) / self.fleet.concurrency) * max(rounds, default=0)


async def plan_fleet(
    fleet: Fleet, plan: MemberPlan, *, observer: Observer = ignore_events
) -> FleetPlan:
    """Look at every module, as many at once as the fleet allows."""
    free, done = asyncio.Semaphore(fleet.concurrency), 0

    async def one(wave: int, member: Member) -> PlannedMember:
        nonlocal done
        async with free:
            planned = await _planned(wave, member, plan)
        done += 1
        observer(ItemsDone(what="modules", done=done, total=len(fleet.members)))
        return planned

    planned = await asyncio.gather(*(one(wave, member) for wave, member in fleet.in_waves()))
    return FleetPlan(fleet=fleet, members=tuple(planned))


async def _planned(wave: int, member: Member, plan: MemberPlan) -> PlannedMember:
    try:
        document, outline = await plan(member)
    except JunoSnapError as error:
        refusal = {"code": error.code, "text": error.message, "flags": []}
        return PlannedMember(
            member=member,
            wave=wave,
            document={"refusals": [refusal]},
            refusals=(error.message,),
        )
    if outline is None:
        return PlannedMember(member=member, wave=wave, document=document, refusals=())
    refusals = tuple(_in_file_words(each) for each in (*outline.refusals, *outline.asks))
    # Where nothing would be done they are what it would cost otherwise.
    costs, is_idle = outline.cycles, refusals or document.get("unchanged")
    return PlannedMember(
        member=member,
        wave=wave,
        document=document,
        refusals=refusals,
        warnings=tuple(each.text for each in outline.warnings),
        update_calls=0 if refusals else outline.update_calls,
        rounds=0 if refusals else outline.rounds,
        cycles=0 if is_idle else costs.ingress + costs.snapshot + costs.install,
    )


def _in_file_words(refusal: Refusal) -> str:
    """Why a module is refused, and what a fleet file says to lift it."""
    flags = (flag for flag in refusal.flags if flag.startswith(ALLOW_FLAGS))
    words = ", ".join(f'"{flag.removeprefix(ALLOW_FLAGS)}"' for flag in flags)
    return f"{refusal.text} (allow = [{words}])" if words else refusal.text
