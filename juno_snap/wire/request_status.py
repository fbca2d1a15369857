"""What a verified certificate says about a call.

Source: interface specification, "Request status" of the state tree and "Overview of canister
calling".
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from juno_snap.errors import TrustError
from juno_snap.ids import RequestId
from juno_snap.wire.certificate_form import find_leaf, malformed_is_untrusted
from juno_snap.wire.hashtree import HashTree
from juno_snap.wire.leb128 import decode_natural


@final
@dataclass(frozen=True, slots=True)
class Replied:
    """The call ran; ``reply`` is what it returned."""

    reply: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The call was refused or failed. ``error_code`` is empty where the network gave none."""

    code: int
    message: str
    error_code: str


@final
@dataclass(frozen=True, slots=True)
class Pending:
    """The call was accepted and is not finished."""

    status: Literal["received", "processing"]


@final
@dataclass(frozen=True, slots=True)
class Done:
    """The call finished and the network has dropped its result."""


@final
@dataclass(frozen=True, slots=True)
class StatusAbsent:
    """The network does not know the call: not yet, or not any more."""


RequestStatus: TypeAlias = Replied | Rejected | Pending | Done | StatusAbsent


def status_in_tree(tree: HashTree, request_id: RequestId) -> RequestStatus:
    """The status of the call in a verified ``tree``.

    Raises:
        TrustError: The tree hides it (certificate-pruned), or what it shows is not a status
            (certificate-malformed).
    """
    status = _text(tree, request_id, b"status")
    match status:
        case None:
            return StatusAbsent()
        case "replied":
            return Replied(_required(tree, request_id, b"reply"))
        case "rejected":
            with malformed_is_untrusted("the reject code"):
                code = decode_natural(_required(tree, request_id, b"reject_code"))
            return Rejected(
                code=code,
                message=_text(tree, request_id, b"reject_message") or "",
                error_code=_text(tree, request_id, b"error_code") or "",
            )
        case "received" | "processing":
            return Pending(status)
        case "done":
            return Done()
        case _:
            raise TrustError(
                f"the certificate shows an unknown status: {status!r}", code="certificate-malformed"
            )


def _leaf(tree: HashTree, request_id: RequestId, name: bytes) -> bytes | None:
    path = (b"request_status", request_id, name)
    return find_leaf(tree, path, f"the {name.decode()} of request {request_id.hex()}")


def _required(tree: HashTree, request_id: RequestId, name: bytes) -> bytes:
    leaf = _leaf(tree, request_id, name)
    if leaf is None:
        raise TrustError(
            f"the certificate has no {name.decode()} for request {request_id.hex()}",
            code="certificate-malformed",
        )
    return leaf


def _text(tree: HashTree, request_id: RequestId, name: bytes) -> str | None:
    leaf = _leaf(tree, request_id, name)
    try:
        return None if leaf is None else leaf.decode()
    except UnicodeDecodeError as error:
        raise TrustError(
            f"the {name.decode()} of a request is not text", code="certificate-malformed"
        ) from error
