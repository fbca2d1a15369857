"""What a mission control knows: the satellites and orbiters that it looks after."""

import asyncio
from dataclasses import dataclass
from typing import Final, final

from juno_snap.agent.agent import Agent
from juno_snap.errors import DecodeError, PreconditionError, RejectedError
from juno_snap.ids import Principal
from juno_snap.juno.roles import Role
from juno_snap.wire.candid import PRINCIPAL, TEXT, Record, Tuple, Vec, decode, encode

NAME_KEY: Final = "name"
NAME_MAX_CHARS: Final = 100
_METADATA: Final = Vec(Tuple(TEXT, TEXT))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A module that a mission control looks after, as it says; not certified."""

    id: Principal
    role: Role
    name: str | None

    def to_json(self) -> dict[str, object]:
        """An entry of ``segments``."""
        return {"module": str(self.id), "role": self.role, "name": self.name}


async def list_segments(agent: Agent, mission_control: Principal) -> tuple[Segment, ...]:
    """Its satellites and then its orbiters, by two queries: one node's word.

    Only its user and its administrators may ask. Source: Juno's Candid of mission controls,
    ``list_satellites`` and ``list_orbiters``.

    Raises:
        PreconditionError: It does not answer this identity, is stopped, or is no mission control.
        TransportError: No answer.
        TrustError: An answer that does not hold.
    """
    satellites, orbiters = await asyncio.gather(
        _listed(agent, mission_control, "satellite"), _listed(agent, mission_control, "orbiter")
    )
    return (*satellites, *orbiters)


async def _listed(agent: Agent, mission_control: Principal, role: Role) -> list[Segment]:
    kind = Vec(Tuple(PRINCIPAL, Record({"metadata": _METADATA})))
    try:
        reply = await agent.query(mission_control, f"list_{role}s", encode([], []))
        entries = decode(reply, [kind])[0]
    except RejectedError as error:
        raise _unlisted(mission_control, role, error.message) from error
    except DecodeError as error:
        raise _unlisted(mission_control, role, "its answer is no such list") from error
    return [_segment(entry, role) for entry in entries] if isinstance(entries, list) else []


def _segment(entry: object, role: Role) -> Segment:
    match entry:
        case (Principal() as module, {"metadata": list(metadata)}):
            names = [str(value) for key, value in metadata if key == NAME_KEY]
            shown = "".join(letter for letter in "".join(names[:1]) if letter.isprintable())
            return Segment(id=module, role=role, name=shown[:NAME_MAX_CHARS] or None)
        case _:
            raise DecodeError(f"a list of {role}s has an entry of another kind")


def _unlisted(mission_control: Principal, role: Role, why: str) -> PreconditionError:
    return PreconditionError(
        f"mission control {mission_control} does not list its {role}s: {why}",
        code="segments-unlisted",
        hint="ask with its user's identity or one of its administrators', while it runs",
    )
