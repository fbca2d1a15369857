"""Calls whose argument and reply are Candid text, typed by what the module says of itself.

A person writes ``("a", 1)``; whether the number is a ``nat8`` or an ``int`` stands in the module's
metadata ``candid:service``. Where that cannot be read the text is taken as it stands.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final, final

from juno_snap.agent.agent import Agent
from juno_snap.errors import DecodeError, TransportError
from juno_snap.ids import Principal
from juno_snap.management.certified import read_metadata
from juno_snap.wire.candid import (
    Differences,
    Interface,
    compare_interfaces,
    format_reply,
    parse_arguments,
    parse_interface,
)

INTERFACE_METADATA: Final = "candid:service"
"""Source: interface specification, "Canister metadata"; written by Motoko and by Rust's tools."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CallReply:
    """What a method replied."""

    text: str
    """Candid text, with the names of fields where the module's interface is known."""
    data: bytes = field(repr=False)
    """The same as it came."""


async def call_with_text(
    agent: Agent, canister_id: Principal, method: str, text: str, *, query: bool
) -> CallReply:
    """Call ``method`` with the arguments that ``text`` spells, as an update or as a query.

    Raises:
        InputError: ``text`` is no Candid, or does not fit the method's types; names the place.
        DecodeError: The reply is no Candid.
        JunoSnapError: What ``Agent.call`` or ``Agent.query`` raises.
    """
    interface = await read_interface(agent, canister_id)
    known = interface.methods.get(method) if interface else None
    arg = parse_arguments(text, known.args if known else None)
    if query:
        data = await agent.query(canister_id, method, arg)
    else:
        data = (await agent.call(canister_id, method, arg)).reply
    return CallReply(text=format_reply(data, interface=interface), data=data)


async def read_interface(agent: Agent, canister_id: Principal) -> Interface | None:
    """The module's certified interface; None where it has none, hides it, or it is unreadable.

    Raises:
        TransportError: The network does not answer.
        TrustError: The answer does not hold.
    """
    try:
        content = await read_metadata(agent, canister_id, INTERFACE_METADATA)
    except TransportError as error:
        if error.status:  # refused: a private section of somebody else's
            return None
        raise
    return None if content is None else interface_of(content)


def interface_of(content: bytes) -> Interface | None:
    """The interface in a ``candid:service`` section, None where it is not understood."""
    try:
        return parse_interface(content.decode())
    except (DecodeError, UnicodeDecodeError):
        return None


def interface_differences(
    new: bytes, old: bytes, *, given_up: Collection[str] = ()
) -> Differences | None:
    """What callers that know the ``candid:service`` section ``old`` meet behind ``new``.

    ``given_up`` are methods that nobody need find any more. None where a section is not understood.
    """
    new_interface, old_interface = interface_of(new), interface_of(old)
    if new_interface is None or old_interface is None:
        return None
    wanted = {name: each for name, each in old_interface.methods.items() if name not in given_up}
    return compare_interfaces(new_interface, replace(old_interface, methods=wanted))


def init_argument(text: str, content: bytes | None) -> bytes:
    """The argument of an installation, typed by the new code's ``candid:service`` section.

    Raises:
        InputError: ``text`` is no Candid, or does not fit; names the place.
    """
    interface = interface_of(content) if content else None
    return parse_arguments(text, interface.init_args or None if interface else None)
