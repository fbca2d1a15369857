"""What an HTTP answer is, when it is not what was hoped for.

Nothing in here is certified: it is what one node, or whoever sits in front of it, said.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from juno_snap.agent.transport import Answer
from juno_snap.errors import DecodeError, RejectedError, TransportError
from juno_snap.wire.cbor import as_bytes, as_natural, as_text, decode_map

INVALID_EXPIRY: Final = "Invalid request expiry"
"""How the text begins with which a node refuses a request from another time.

Source: dfinity/ic, ``rs/validator/src/ingress_validation.rs``; agents look for it too.
"""

SHOWN_CHARACTERS: Final = 200


def describe(answer: Answer) -> str:
    """The body in words, for people."""
    if not answer.body:
        return "nothing"
    text = answer.body[: 4 * SHOWN_CHARACTERS].decode("utf-8", "replace").strip()
    if "html" in answer.content_type.lower() or text[:15].lower().startswith(("<!doc", "<html")):
        return "an HTML page"
    if text.isprintable() and "\ufffd" not in text:
        return f"the text {text[:SHOWN_CHARACTERS]!r}"
    kind = answer.content_type or "no content type"
    return f"{len(answer.body)} bytes ({kind}) that are not what a replica sends"


def body_map(answer: Answer, url: str) -> dict[str, object]:
    """The CBOR map in an answer of status 200.

    Raises:
        TransportError: Another status, or another body.
    """
    if answer.status != HTTPStatus.OK:
        raise refusal(answer, url)
    try:
        return decode_map(answer.body)
    except DecodeError as error:
        raise not_of_the_protocol(url, describe(answer), answer.status) from error


def refusal(answer: Answer, url: str) -> TransportError:
    """The error for an answer that says no: a status that is neither success nor retried.

    Whoever answered says that nothing was delivered; only that one knows.
    """
    status = answer.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        hint = "the address leads elsewhere: use the one it leads to"
    elif status == HTTPStatus.NOT_FOUND:
        hint = "check that this is the address of a replica or boundary node"
    else:
        hint = ""
    return TransportError(
        f"{url} answered {status}: {describe(answer)}",
        url=url,
        status=status,
        maybe_delivered=False,
        code="refused-by-node",
        hint=hint,
    )


def not_of_the_protocol(url: str, what: str, status: int) -> TransportError:
    """The error for an answer that claims success and is not one of a replica."""
    return TransportError(
        f"{url} answered {status} with {what}, which is no answer of a replica",
        url=url,
        status=status,
        code="not-a-replica",
        hint="check the network's address",
    )


def is_invalid_expiry(answer: Answer) -> bool:
    """Whether a node refused a request because of its time."""
    return answer.status == HTTPStatus.BAD_REQUEST and INVALID_EXPIRY.encode() in answer.body


def certificate_in(answer: Answer, url: str) -> bytes:
    """The certificate in an answer to ``read_state``, unverified.

    Raises:
        TransportError: There is none.
    """
    return _certificate(body_map(answer, url), answer, url)


def read_call_answer(answer: Answer, url: str, method: str) -> bytes | RejectedError:
    """The unverified certificate in an answer to a call, or the node's own reject.

    The asynchronous endpoint gives rejects only, without a ``status``; both forms are read.

    Raises:
        TransportError: It is neither.
    """
    fields = body_map(answer, url)
    if "certificate" in fields or "reject_code" not in fields:
        return _certificate(fields, answer, url)
    error_code = fields.get("error_code")
    try:
        return reject_error(
            method,
            code=as_natural(fields["reject_code"], "reject_code"),
            message=as_text(fields.get("reject_message"), "reject_message"),
            error_code="" if error_code is None else as_text(error_code, "error_code"),
            certified=False,
        )
    except DecodeError as error:
        what = f"a reject in which {error.message}"
        raise not_of_the_protocol(url, what, answer.status) from error


def reject_error(
    method: str, *, code: int, message: str, error_code: str, certified: bool
) -> RejectedError:
    """The error for a reject, with the network's own words."""
    who = "the network" if certified else "a node of the network"
    name = f" ({error_code})" if error_code else ""
    return RejectedError(
        f"{who} refused {method}{name}: {message}",
        reject_code=code,
        error_code=error_code,
        certified=certified,
    )


def _certificate(fields: Mapping[str, object], answer: Answer, url: str) -> bytes:
    try:
        return as_bytes(fields.get("certificate"), "the certificate")
    except DecodeError as error:
        raise not_of_the_protocol(url, "a map without a certificate", answer.status) from error
