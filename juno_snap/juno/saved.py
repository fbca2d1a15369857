"""A saved configuration as a file: for people as text, for the way back as the module's own bytes.

The format, version 1 (**Format**: a change is a new version): JSON. ``parts`` are what was read:
``method`` and ``argument_hex`` of the call, ``reply_hex`` as it came, which alone is read back, and
``reply``, the same as Candid text. ``set`` of a part are the calls that set it in a module that has
nothing of it, for ``juno-snap module call METHOD ARGUMENT``. ``lost`` is what a reset wipes.
"""

import json
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal
from juno_snap.juno.configuration import LOST, Configuration, Part
from juno_snap.management.candid_call import interface_of
from juno_snap.wire.candid import Interface, format_reply

FORMAT_VERSION: Final = 1


def file_of(configuration: Configuration, module: Principal, interface: bytes | None) -> bytes:
    """The content of the file; ``interface`` is the module's, for the names of fields."""
    known = None if interface is None else interface_of(interface)
    document = {
        "schema": FORMAT_VERSION,
        "module": str(module),
        "role": configuration.role,
        "lost": LOST[configuration.role],
        "parts": [_part_json(configuration, part, known) for part in configuration.parts],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _part_json(
    configuration: Configuration, part: Part, interface: Interface | None
) -> dict[str, object]:
    reply = configuration.replies[part.name]
    arguments = []
    if part.sets is not None:
        items = configuration.items(part).values()
        arguments = [part.frame(item.based_on(None)) for item in items]
    return {
        "part": part.name,
        "method": part.reads,
        "argument_hex": part.argument.hex(),
        "reply": format_reply(reply, interface=interface),
        "reply_hex": reply.hex(),
        "set": [
            {"method": part.sets, "argument": format_reply(argument, interface=interface)}
            for argument in arguments
        ],
    }


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    part: str
    reply_hex: str


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    schema_: Literal[1]
    role: Literal["satellite", "orbiter"]
    parts: list[_Part]


def configuration_of(content: bytes) -> Configuration:
    """What ``file_of`` was given.

    Raises:
        DecodeError: It is no such file.
    """
    try:
        document = json.loads(content)
        document["schema_"] = document.pop("schema")
        file = _File.model_validate(document)
        replies = {part.part: bytes.fromhex(part.reply_hex) for part in file.parts}
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DecodeError("the file holds no saved configuration") from error
    return Configuration(role=file.role, replies=replies)
