"""Answers to queries, signed by the node that gave them.

Source: interface specification, "Request: Query call".
"""

from dataclasses import dataclass
from typing import Final, TypeAlias, final

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal, RequestId
from juno_snap.wire.cbor import (
    as_bytes,
    as_list,
    as_map,
    as_natural,
    as_principal,
    as_text,
    decode_map,
    encode,
)
from juno_snap.wire.request_id import HashValue, hash_of_map

RESPONSE_SEPARATOR: Final = b"\x0bic-response"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSignature:
    """A node's word for an answer. The node's key stands in the state tree, under its subnet."""

    node_id: Principal
    timestamp_ns: int
    signature: bytes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QueryReplied:
    """The method returned ``arg``."""

    arg: bytes
    signatures: tuple[NodeSignature, ...] = ()

    def signed_fields(self) -> dict[str, HashValue]:
        """What the node signs of the answer itself."""
        return {"status": "replied", "reply": {"arg": self.arg}}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRejected:
    """The query was refused or failed. ``error_code`` is None where the network gave none."""

    reject_code: int
    reject_message: str
    error_code: str | None = None
    signatures: tuple[NodeSignature, ...] = ()

    def signed_fields(self) -> dict[str, HashValue]:
        """What the node signs of the answer itself."""
        fields: dict[str, HashValue] = {
            "status": "rejected",
            "reject_code": self.reject_code,
            "reject_message": self.reject_message,
        }
        if self.error_code is not None:
            fields["error_code"] = self.error_code
        return fields


QueryResponse: TypeAlias = QueryReplied | QueryRejected


def node_signing_payload(
    response: QueryResponse, request_id: RequestId, timestamp_ns: int
) -> bytes:
    """What a node signs: the answer, to which request, and when."""
    fields = response.signed_fields()
    fields["timestamp"] = timestamp_ns
    fields["request_id"] = request_id
    return RESPONSE_SEPARATOR + hash_of_map(fields)


def encode_query_response(response: QueryResponse) -> bytes:
    """The answer as it is sent."""
    signatures = [
        {
            "timestamp": signature.timestamp_ns,
            "signature": signature.signature,
            "identity": signature.node_id.raw,
        }
        for signature in response.signatures
    ]
    return encode({**response.signed_fields(), "signatures": signatures})


def decode_query_response(data: bytes) -> QueryResponse:
    """The answer in ``data``. Fields that are not known are skipped; signatures are not checked.

    Raises:
        DecodeError: Malformed.
    """
    fields = decode_map(data)
    status = as_text(fields.get("status"), "status")
    signatures = tuple(
        _decode_signature(item) for item in as_list(fields.get("signatures", []), "signatures")
    )
    if status == "replied":
        reply = as_map(fields.get("reply"), "reply")
        return QueryReplied(arg=as_bytes(reply.get("arg"), "arg"), signatures=signatures)
    if status == "rejected":
        error_code = fields.get("error_code")
        return QueryRejected(
            reject_code=as_natural(fields.get("reject_code"), "reject_code"),
            reject_message=as_text(fields.get("reject_message"), "reject_message"),
            error_code=None if error_code is None else as_text(error_code, "error_code"),
            signatures=signatures,
        )
    raise DecodeError(f"a query's answer has the unknown status {status!r}")


def _decode_signature(item: object) -> NodeSignature:
    fields = as_map(item, "a signature")
    return NodeSignature(
        node_id=as_principal(fields.get("identity"), "identity"),
        timestamp_ns=as_natural(fields.get("timestamp"), "timestamp"),
        signature=as_bytes(fields.get("signature"), "signature"),
    )
