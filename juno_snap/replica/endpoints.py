"""The HTTP face of the local replica: addresses, sizes, content types, and the request log.

What the requests mean is in ``endpoints_call``, ``endpoints_query`` and ``endpoints_read_state``.
Source: interface specification, "HTTPS Interface"; limits and texts: dfinity/ic,
``rs/config/src/http_handler.rs`` and ``rs/http_endpoints/public``.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, final

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from juno_snap.errors import InputError
from juno_snap.ids import Principal
from juno_snap.replica.endpoints_call import answer_call
from juno_snap.replica.endpoints_faults import BrokenOff, answer_with_faults
from juno_snap.replica.endpoints_node import Answer, Node, Question, cbor_answer, text_answer
from juno_snap.replica.endpoints_query import answer_query
from juno_snap.replica.endpoints_read_state import answer_read_state, answer_subnet_read_state
from juno_snap.replica.ingress import BAD_REQUEST, RequestError
from juno_snap.replica.request_log import RequestKind, RequestLog, RequestRecord
from juno_snap.units import MIB
from juno_snap.version import __version__

BODY_MAX_BYTES: Final = 5 * MIB
"""Source: dfinity/ic, ``rs/config/src/http_handler.rs``."""

BODY_DRAINED_BYTES: Final = 64 * MIB
"""So much of a body that is too large is still read, so that its sender gets to see the answer."""

API_VERSION: Final = "0.18.0"
"""What the network's replica says. Source: dfinity/ic, ``status.rs``."""

BREAK_OFF: Final = "juno_snap.break_off"
"""Key of the server's way, in the scope of a request, to end its connection at once."""

CONTENT_TYPE: Final = "application/cbor"
STATUS_PATH: Final = "/api/v2/status"
POST_PATH: Final = re.compile(
    r"/api/v(?P<version>\d+)/(?P<scope>canister|subnet)/(?P<target>[^/]+)/(?P<kind>\w+)"
)

NOT_FOUND, METHOD_NOT_ALLOWED, TIMEOUT, TOO_LARGE, INTERNAL = 404, 405, 408, 413, 500


@final
@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers a kind of POST. ``kind`` is its name in the request log."""

    kind: RequestKind
    answer: Callable[[Node, Question], Awaitable[Answer]]
    versions: tuple[int, ...]


ENDPOINTS: Final = {
    ("canister", "call"): Endpoint("call", answer_call, (2, 3, 4)),
    ("canister", "query"): Endpoint("query", answer_query, (2, 3)),
    ("canister", "read_state"): Endpoint("read_state", answer_read_state, (2, 3)),
    ("subnet", "read_state"): Endpoint("subnet_read_state", answer_subnet_read_state, (2, 3)),
}
"""By scope and kind in the address."""


def build_app(node: Node, log: RequestLog) -> ASGIApp:
    """The application. Browsers may use it from any page, as they may the network."""
    return CORSMiddleware(
        Endpoints(node, log),
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
    )


@final
class Endpoints:
    """Reads a request, has it answered, and writes it down."""

    def __init__(self, node: Node, log: RequestLog) -> None:
        self._node = node
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        record = RequestRecord(
            kind="other", at_ns=self._node.time.now_ns(), status=INTERNAL, outcome="internal error"
        )
        began_at_ns = self._node.clock.monotonic_ns()
        try:
            try:
                answer = await self._answer(request, record)
            except RequestError as error:
                answer = text_answer(error.status, error.text)
            record.status, record.outcome = answer.status, answer.outcome
            record.response_bytes = len(answer.body)
        except BrokenOff as broken_off:
            record.status, record.outcome = 0, f"{broken_off.outcome}, then broken off"
            await _break_off(scope, receive)
            return
        finally:
            record.duration_ns = self._node.clock.monotonic_ns() - began_at_ns
            self._log.write(record)
        response = Response(answer.body, status_code=answer.status, media_type=answer.content_type)
        await response(scope, receive, send)

    async def _answer(self, request: Request, record: RequestRecord) -> Answer:
        path = request.url.path
        if path == STATUS_PATH:
            record.kind, record.version = "status", 2
            _check_method(request, "GET")
            return _status(self._node)
        match = POST_PATH.fullmatch(path)
        endpoint = ENDPOINTS.get((match["scope"], match["kind"])) if match else None
        if match is None or endpoint is None or int(match["version"]) not in endpoint.versions:
            raise RequestError(NOT_FOUND, f"There is nothing at {path}.")
        record.kind, record.version = endpoint.kind, int(match["version"])
        _check_method(request, "POST")
        _check_content_type(request)
        record.target = target = _parse_target(match["target"])
        body = await self._receive(request)
        record.request_bytes = len(body)
        question = Question(version=record.version, target=target, body=body, record=record)
        return await answer(self._node, endpoint, question)

    async def _receive(self, request: Request) -> bytes:
        """The body of the request.

        Raises:
            RequestError: It is too large, comes too slowly, or breaks off.
        """
        body = bytearray()
        received_bytes = 0
        try:
            async with asyncio.timeout(self._node.options.receive_timeout_seconds):
                async for piece in request.stream():
                    received_bytes += len(piece)
                    if received_bytes <= BODY_MAX_BYTES:
                        body += piece
                    elif received_bytes > BODY_DRAINED_BYTES:
                        break
        except TimeoutError as error:
            raise RequestError(TIMEOUT, "The body did not arrive in time.") from error
        except ClientDisconnect as error:
            raise RequestError(BAD_REQUEST, "The connection broke off within the body.") from error
        if received_bytes > BODY_MAX_BYTES:
            raise RequestError(
                TOO_LARGE, f"The body is larger than the max allowed {BODY_MAX_BYTES} bytes."
            )
        return bytes(body)


async def answer(node: Node, endpoint: Endpoint, question: Question) -> Answer:
    """The answer to any POST, with the faults that were declared.

    Raises:
        RequestError: The request is refused.
        BrokenOff: A fault: there is to be no answer.
    """
    if not node.faults.faults:
        return await endpoint.answer(node, question)
    return await answer_with_faults(node, endpoint.kind, endpoint.answer, question)


async def _break_off(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer."""
    scope[BREAK_OFF]()
    while (await receive())["type"] != "http.disconnect":
        pass


def _status(node: Node) -> Answer:
    """Source: interface specification, "Status endpoint"; the fields are those of dfinity/ic."""
    return cbor_answer(
        {
            "ic_api_version": API_VERSION,
            "impl_version": f"juno-snap {__version__}",
            "root_key": node.keys.root_key_der,
            "replica_health_status": "healthy",
            "certified_height": node.rounds.executed,
        },
        "healthy",
    )


def _check_method(request: Request, method: str) -> None:
    if request.method != method:
        raise RequestError(METHOD_NOT_ALLOWED, f"{request.url.path} takes {method} only.")


def _check_content_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != CONTENT_TYPE:
        raise RequestError(BAD_REQUEST, f"Unexpected content-type, expected {CONTENT_TYPE}.")


def _parse_target(text: str) -> Principal:
    try:
        return Principal.parse(text)
    except InputError as error:
        raise RequestError(
            BAD_REQUEST, f"Could not parse the principal in the URL: {error.message}"
        ) from error
