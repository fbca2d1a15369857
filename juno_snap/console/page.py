"""The page: files that are the same for everybody, answered as they are.

They hold no secret and no data; what the page shows it asks of the calls, with the token. Nothing
in them may come from elsewhere, and no text becomes a program: the policy below has the browser see
to that, whatever a step snapshot holds.
"""

from importlib.resources import files
from typing import Final

from starlette.responses import Response

from juno_snap.console.messages import SAFE

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
START: Final = "index.html"
PREFIX: Final = "/page/"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    **SAFE,
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


def read_page() -> dict[str, Response]:
    """The answer at each address of the page."""
    folder = files(__package__).joinpath("web")
    found = {}
    for file in folder.iterdir():
        media_type = TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None:
            path = "/" if file.name == START else f"{PREFIX}{file.name}"
            found[path] = Response(file.read_bytes(), media_type=media_type, headers=HEADERS)
    return found
