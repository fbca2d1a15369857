"""Who may ask at all; looked at before anything of a request is read but its head.

1. ``Host`` names this server: a page of another site that was pointed here by its name (DNS
   rebinding) sends that name.
2. ``Origin``, which browsers send and other programs do not, is the very same place.
3. ``Authorization`` has the token; all of it is compared, however early it differs. A browser that
   opens the page cannot send it yet: reading the files of the page needs only the first two.

What a request wants, and whether there is anything at its address, is said only after these.
"""

import hmac
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final, final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from juno_snap.console.answers import RequestError
from juno_snap.console.messages import refusal

SCHEME: Final = "Bearer"
READING: Final = frozenset({"GET", "HEAD"})
HTTP_PORT: Final = 80


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where the server listens, and what opens it."""

    hosts: tuple[str, ...]
    token: str = field(repr=False)

    @classmethod
    def of(cls, port: int, token: str) -> "Doors":
        """Those of a server on the loopback address."""
        names = ("127.0.0.1", "localhost")
        short = names if port == HTTP_PORT else ()
        return cls(hosts=(*(f"{name}:{port}" for name in names), *short), token=token)


@final
class Guard:
    """Lets requests through that may ask; reading ``open_paths`` needs no token."""

    def __init__(self, app: ASGIApp, doors: Doors, *, open_paths: Container[str]) -> None:
        self._app = app
        self._doors = doors
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on one request, or refuse it."""
        headers = Headers(scope=scope)
        try:
            check_place(headers, self._doors)
            if scope["method"] not in READING or scope["path"] not in self._open_paths:
                check_token(headers, self._doors)
        except RequestError as error:
            asked_for = {"www-authenticate": SCHEME} if error.status == 401 else None  # noqa: PLR2004 - a status
            await refusal(error, asked_for)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def check_place(headers: Headers, doors: Doors) -> None:
    """Accept where a request goes to and comes from.

    Raises:
        RequestError: 403.
    """
    # 1.
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() not in doors.hosts:
        raise RequestError(
            403,
            "this server does not go by that name",
            code="foreign-host",
            hint=f"ask http://{doors.hosts[0]}",
        )
    # 2.
    if any(origin != f"http://{hosts[0].lower()}" for origin in headers.getlist("origin")):
        raise RequestError(403, "pages of other sites may not ask", code="foreign-origin")


def check_token(headers: Headers, doors: Doors) -> None:
    """Accept who sent a request.

    Raises:
        RequestError: 401.
    """
    # 3.
    said = headers.getlist("authorization")
    scheme, _, token = said[0].partition(" ") if len(said) == 1 else ("", "", "")
    is_right = hmac.compare_digest(token.strip().encode(), doors.token.encode())
    if scheme.lower() != SCHEME.lower() or not is_right:
        raise RequestError(
            401,
            "the token is missing, or it is not the one of this start",
            code="no-token",
            hint="send the line that stands in console.header of the state directory",
        )
