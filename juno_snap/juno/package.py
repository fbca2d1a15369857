"""Reading of an installed module what it says of itself: metadata, and the older query."""

from typing import Final

from juno_snap.agent.agent import Agent
from juno_snap.errors import DecodeError, RejectedError, TransportError
from juno_snap.ids import Principal
from juno_snap.juno.roles import (
    BUILD_METADATA,
    PACKAGE_METADATA,
    VERSION_QUERY,
    JunoModule,
    recognise,
)
from juno_snap.management.client import ManagementClient
from juno_snap.wire.candid import TEXT, decode, encode

VERSION_MAX_CHARS: Final = 100


async def read_juno_module(client: ManagementClient, module: Principal) -> JunoModule:
    """What ``module`` is, as far as this caller may read it.

    Raises:
        TransportError: No answer.
        TrustError: An answer that does not hold.
    """
    names = (PACKAGE_METADATA, BUILD_METADATA)
    try:
        found = await client.metadata_sections(module, names)
    except TransportError as error:
        if not error.status:
            raise
        return JunoModule()  # a section is there, for controllers only
    package, build = found[PACKAGE_METADATA], found[BUILD_METADATA]
    version = None
    if package is None:
        version = await ask_version(client.agent, module)
    return recognise(package=package, build=build, version=version)


async def ask_version(agent: Agent, module: Principal) -> str | None:
    """The answer to the query ``version``: one node's word.

    None where the module does not answer, as when it is stopped or has no such method, or answers
    something that cannot be a version.
    """
    try:
        reply = await agent.query(module, VERSION_QUERY, encode([], []))
        version = str(decode(reply, [TEXT])[0])
    except (RejectedError, DecodeError):
        return None
    is_short = 0 < len(version) <= VERSION_MAX_CHARS
    return version if is_short and version.isprintable() else None
