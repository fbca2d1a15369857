"""A network that answers as it was told, and remembers what it was asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from juno_snap.agent.transport import Answer
from juno_snap.errors import TransportError
from juno_snap.wire.cbor import encode

URL = "http://replica.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the network saw it. ``body`` is None for a GET."""

    path: str
    body: bytes | None
    begin_within_seconds: float | None = None


Step = Answer | Exception | Callable[[Request], Answer]


class Scripted:
    """A ``Transport``: takes the steps in order, then answers with ``otherwise``.

    A step is an answer, an error to raise, or a function of the request. A request for which
    nothing is left fails the test. ``requests`` keeps everything that was sent.
    """

    def __init__(
        self,
        steps: Sequence[Step] = (),
        *,
        otherwise: Callable[[Request], Answer] | None = None,
        url: str = URL,
    ) -> None:
        self._steps = list(steps)
        self._otherwise = otherwise
        self.url = url
        self.requests: list[Request] = []
        self.closed = False

    async def send(
        self, path: str, body: bytes | None, *, begin_within_seconds: float | None = None
    ) -> Answer:
        request = Request(path=path, body=body, begin_within_seconds=begin_within_seconds)
        self.requests.append(request)
        step = self._steps.pop(0) if self._steps else self._otherwise
        match step:
            case Answer():
                return step
            case Exception():
                raise step
            case None:
                raise AssertionError(f"nothing is left to answer {path} with")
            case _:
                return step(request)

    async def aclose(self) -> None:
        self.closed = True

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [request.path for request in self.requests]


def cbor_answer(value: object, status: int = 200) -> Answer:
    """``value`` as a replica sends it."""
    return Answer(status=status, content_type="application/cbor", body=encode(value))


def text_answer(status: int, text: str = "", content_type: str = "text/plain") -> Answer:
    """What a node says when it refuses a request."""
    return Answer(status=status, content_type=content_type, body=text.encode())


def html_answer(status: int = 200) -> Answer:
    """What a gateway, a parked domain or a captive portal says."""
    return text_answer(status, "<!DOCTYPE html><title>Welcome</title>", "text/html")


def refused_connection() -> TransportError:
    """Nobody listens: nothing was delivered."""
    return TransportError("cannot connect", url=URL, maybe_delivered=False, code="unreachable")


def broken_connection() -> TransportError:
    """The request went out and nothing came back."""
    return TransportError("no whole answer", url=URL, code="disconnected")
