"""What a program asks of an operation, put together with what is configured."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from juno_snap.agent.root_key import MAINNET_ROOT_KEY
from juno_snap.errors import IdentityError
from juno_snap.events import Event, Observer
from juno_snap.ids import ANONYMOUS
from juno_snap.library.code import argument_of
from juno_snap.pipeline.checks.model import CheckSpec
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.wasm_file import WasmFile
from juno_snap.pipeline.workspace import Workspace

_logger: Final = logging.getLogger(__name__)


def asked_of(
    defaults: UpgradeRequest, request: UpgradeRequest | None, checks: Iterable[str | CheckSpec]
) -> UpgradeRequest:
    """``request`` with all checks, and with the role that is configured; else the ``defaults``.

    Raises:
        InputError: A check is malformed.
    """
    wanted = request or defaults
    said = (parse_check(each) if isinstance(each, str) else each for each in checks)
    every = dict.fromkeys((*defaults.checks, *wanted.checks, *said))
    juno = replace(wanted.juno, role=wanted.juno.role or defaults.juno.role)
    return replace(wanted, checks=tuple(every), juno=juno)


def with_argument(
    request: UpgradeRequest, code: WasmFile, arg: str | bytes | None
) -> UpgradeRequest:
    """The same with the argument for the new code, where one was said.

    Raises:
        InputError: It is no Candid, or does not fit the code.
    """
    return request if arg is None else replace(request, arg=argument_of(code, arg))


def check_may_change(workspace: Workspace) -> None:
    """Refuse what nobody may do anonymously.

    Raises:
        IdentityError: Mainnet is to be changed, and nobody signs.
    """
    agent = workspace.client.agent
    if agent.root_key == MAINNET_ROOT_KEY and agent.identity.principal == ANONYMOUS:
        raise IdentityError(
            "the anonymous identity may not change anything on mainnet",
            code="anonymous",
            hint="connect with another identity",
        )


def forgiving(observer: Observer) -> Observer:
    """``observer``, whose exceptions are logged: no callback may leave a module stopped."""

    def watch(event: Event) -> None:
        try:
            observer(event)
        except Exception:
            _logger.exception("the callback for events failed at %r", event)

    return watch
