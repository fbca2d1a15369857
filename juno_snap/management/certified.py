"""What the certified state says of a canister, read without a call; anyone may ask.

Source: interface specification, "The system state tree".
"""

from collections.abc import Sequence
from http import HTTPStatus

from juno_snap.agent.agent import Agent
from juno_snap.agent.certified_state import Path
from juno_snap.errors import TransportError
from juno_snap.ids import Principal
from juno_snap.management.types import CertifiedInfo
from juno_snap.wire.certificate import VerifiedCertificate, decode_principals
from juno_snap.wire.certificate_form import malformed_is_untrusted
from juno_snap.wire.leb128 import decode_natural


def state_path(canister_id: Principal, *names: str) -> Path:
    """A path below ``/canister/<id>``."""
    return (b"canister", canister_id.raw, *(name.encode() for name in names))


async def read_info(
    agent: Agent, canister_id: Principal, *, not_before_ns: int = 0
) -> CertifiedInfo:
    """Module hash, controllers and time of the last install, all of one certificate.

    Networks that do not know the last one are asked again without it.

    Raises:
        TransportError: No answer, or only answers from before ``not_before_ns``.
        TrustError: The answer does not hold, or hides a part.
    """
    module_hash = state_path(canister_id, "module_hash")
    controllers = state_path(canister_id, "controllers")
    last_install = state_path(canister_id, "last_install_timestamp")
    try:
        certificate = await agent.read_state(
            canister_id, [module_hash, controllers, last_install], not_before_ns=not_before_ns
        )
        installed_at_ns = _time(certificate, last_install)
    except TransportError as error:
        # Before 0.66.0 the network refuses the path as none of its own.
        if error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
            raise
        certificate = await agent.read_state(
            canister_id, [module_hash, controllers], not_before_ns=not_before_ns
        )
        installed_at_ns = None
    digest = certificate.find(module_hash, "the module hash")
    leaf = certificate.find(controllers, "the controllers")
    return CertifiedInfo(
        exists=leaf is not None,
        module_hash=digest,
        controllers=() if leaf is None else _principals(leaf),
        last_install_at_ns=installed_at_ns,
        certified_at_ns=certificate.time_ns,
    )


async def read_metadata(
    agent: Agent, canister_id: Principal, name: str, *, not_before_ns: int = 0
) -> bytes | None:
    """A metadata section of the installed module; None where it is proven absent.

    Raises:
        TransportError: No answer, only old ones, or a private section of somebody else's.
        TrustError: The answer does not hold, or shows neither the section nor its absence.
    """
    sections = await read_metadata_sections(
        agent, canister_id, (name,), not_before_ns=not_before_ns
    )
    return sections[name]


async def read_metadata_sections(
    agent: Agent, canister_id: Principal, names: Sequence[str], *, not_before_ns: int = 0
) -> dict[str, bytes | None]:
    """Metadata sections by name, all of one certificate. Raises as ``read_metadata``."""
    paths = {name: state_path(canister_id, "metadata", name) for name in names}
    certificate = await agent.read_state(
        canister_id, list(paths.values()), not_before_ns=not_before_ns
    )
    return {
        name: certificate.find(path, f"the metadata section {name!r}")
        for name, path in paths.items()
    }


def _principals(leaf: bytes) -> tuple[Principal, ...]:
    with malformed_is_untrusted("the list of controllers"):
        return decode_principals(leaf)


def _time(certificate: VerifiedCertificate, path: Path) -> int | None:
    leaf = certificate.find(path, "the time of the last install")
    if leaf is None:
        return None
    with malformed_is_untrusted("the time of the last install"):
        return decode_natural(leaf)
