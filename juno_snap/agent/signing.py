"""From a content to the bytes that are sent."""

from dataclasses import dataclass
from typing import final

from juno_snap.agent.identity import Identity
from juno_snap.ids import RequestId
from juno_snap.wire.envelope import Content, Envelope, encode_envelope, request_signing_payload


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """The body of a POST and the id of what is in it."""

    request_id: RequestId
    body: bytes


def sign_request(content: Content, identity: Identity) -> SignedRequest:
    """``content`` in an envelope of ``identity``, who has to be its sender."""
    request_id = content.request_id()
    if identity.public_key_der is None:
        envelope = Envelope(content=content)
    else:
        envelope = Envelope(
            content=content,
            sender_public_key=identity.public_key_der,
            sender_signature=identity.sign(request_signing_payload(request_id)),
            delegations=identity.delegations,
        )
    return SignedRequest(request_id=request_id, body=encode_envelope(envelope))
