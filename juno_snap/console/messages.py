"""Requests read with bounds, and answers written."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from juno_snap.console.answers import Document, RequestError, error_document, status_of
from juno_snap.errors import InputError, JunoSnapError
from juno_snap.flow.model import SNAPSHOT_MAX_BYTES, StepSnapshot, decode
from juno_snap.units import KIB

BODY_MAX_BYTES: Final = 64 * KIB
"""Of a request. A step snapshot of the largest size fits in, however its characters are escaped
(six bytes for one) and its lines are indented."""

RECEIVE_TIMEOUT_SECONDS: Final = 30.0
MEDIA_TYPES: Final = ("application/json", "application/vnd.api+json")

ENTITY_TAG: Final = re.compile(r'"(?P<version>[\x21\x23-\x7e\x80-\xff]*)"')
"""Source: RFC 9110, section 8.8.3."""

SAFE: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
NAMES: Final = ("data", "attributes", "snapshot", "type", "id")


class Attributes(BaseModel):
    """What may be changed; that it is JSON was found out before."""

    model_config = ConfigDict(strict=True)
    snapshot: object


class Resource(BaseModel):
    """A step snapshot as it is sent to us; what else stands in it is left alone."""

    model_config = ConfigDict(strict=True)
    type: Literal["snapshot"]
    id: str | None = None
    attributes: Attributes


class Sent(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(strict=True)
    data: Resource


async def read_resource(request: Request) -> Resource:
    """What a request wants to be stored.

    Raises:
        RequestError: It is no JSON by its type, too large, or too slow.
        InputError: It is no JSON, or not the document of a step snapshot.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise RequestError(
            415,
            f"the body has the type {media_type or 'of nothing'!r}",
            code="not-json-type",
            hint=f"send JSON with content-type: {MEDIA_TYPES[0]}",
        )
    body = await _receive(request)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InputError("the body is no text in UTF-8", code="not-json") from error
    try:
        return Sent.model_validate({"data": None} | _object(decode(text))).data
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part in NAMES)
        raise _not_a_document(f"{where}: {first['msg']}") from error


def read_versions(request: Request) -> tuple[str, ...] | None:
    """The versions that ``If-Match`` names; None where any will do.

    Weak tags, and what is no tag at all, match nothing. Source: RFC 9110, section 13.1.1.
    """
    said = request.headers.getlist("if-match")
    text = ", ".join(said).strip()
    if not said or text == "*":
        return None
    tags = (ENTITY_TAG.fullmatch(part.strip()) for part in text.split(","))
    return tuple(tag["version"] for tag in tags if tag is not None)


def answer(
    document: Document, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """``document`` as an answer that nobody keeps."""
    return JSONResponse(document, status_code=status, headers={**SAFE, **(headers or {})})


def empty_answer(status: int) -> Response:
    """An answer without a body."""
    return Response(status_code=status, headers=SAFE)


def refusal(error: JunoSnapError, headers: Mapping[str, str] | None = None) -> Response:
    """What went wrong, as an answer."""
    return answer(error_document(error), status_of(error), headers)


def entity_tag(snapshot: StepSnapshot) -> dict[str, str]:
    """The header with the version of a step snapshot."""
    return version_tag(snapshot.version)


def version_tag(version: str) -> dict[str, str]:
    """The header with a version."""
    return {"etag": f'"{version}"'}


async def _receive(request: Request) -> bytes:
    """The body, of which never more than the largest one is held.

    What is not read here the server drops as it comes.
    """
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if int(declared) > BODY_MAX_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(RECEIVE_TIMEOUT_SECONDS):
            async for piece in request.stream():
                if len(body) + len(piece) > BODY_MAX_BYTES:
                    raise _too_large()
                body += piece
    except TimeoutError as error:
        raise RequestError(408, "the body did not come in time", code="too-slow") from error
    except ClientDisconnect as error:
        raise RequestError(400, "the connection broke off", code="broken-off") from error
    return bytes(body)


def _too_large() -> RequestError:
    return RequestError(
        413,
        f"a request has at most {BODY_MAX_BYTES} bytes, and a step snapshot {SNAPSHOT_MAX_BYTES}",
        code="body-too-large",
        hint="keep a marker in the step snapshot, and data where they are",
    )


def _object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise _not_a_document("it is no object")


def _not_a_document(why: str) -> InputError:
    return InputError(
        f"the body is not the document of a step snapshot: {why}",
        code="not-a-document",
        hint='{"data": {"type": "snapshot", "id": STEP, "attributes": {"snapshot": ANY JSON}}}',
    )
