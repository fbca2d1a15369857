"""The five calls, each by its address and method."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar, final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from juno_snap.console.answers import (
    RequestError,
    list_document,
    path_of,
    snapshot_document,
)
from juno_snap.console.description import PATHS_OF_LIST, describe
from juno_snap.console.guard import Doors, Guard
from juno_snap.console.messages import (
    answer,
    empty_answer,
    entity_tag,
    read_resource,
    read_versions,
    refusal,
)
from juno_snap.errors import InputError, JunoSnapError, NotFoundError
from juno_snap.flow.edits import Expected
from juno_snap.flow.model import check_name
from juno_snap.flow.space import FlowSpace

Call = Callable[[Request], Awaitable[Response]]
OnTrouble = Callable[[Exception], None]
Result = TypeVar("Result")

DESCRIPTION: Final = "/openapi.json"
METHOD_CODES: Final = {404: "no-such-address", 405: "no-such-method"}


def build_app(space: FlowSpace, doors: Doors, *, on_trouble: OnTrouble) -> Guard:
    """The application; ``on_trouble`` is told of each exception that is a mistake in here."""
    calls = Calls(space)
    of_list = _answering({"GET": calls.show_all, "POST": calls.create}, on_trouble)
    of_one = _answering(
        {"GET": calls.show, "PATCH": calls.edit, "DELETE": calls.delete}, on_trouble
    )
    routes = [
        Route(DESCRIPTION, _describe, methods=["GET"]),
        *(Route(path, of_list, methods=["GET", "POST"]) for path in PATHS_OF_LIST),
        Route(path_of("{flow}", "{step}"), of_one, methods=["GET", "PATCH", "DELETE"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse_address})
    app.router.redirect_slashes = False
    return Guard(app, doors)


@final
class Calls:
    """The calls, over the flows of one state directory."""

    def __init__(self, space: FlowSpace) -> None:
        self._space = space
        self._turn = asyncio.Lock()

    async def show_all(self, request: Request) -> Response:
        """The step snapshots of a flow."""
        flow = _flow_of(request)
        found = await asyncio.to_thread(self._space.snapshots, flow)
        return answer(list_document(flow, found))

    async def show(self, request: Request) -> Response:
        """The snapshot of a step."""
        flow, step = _flow_of(request), _step_of(request)
        for each in await asyncio.to_thread(self._space.snapshots, flow):
            if each.step == step:
                return answer(snapshot_document(flow, each), headers=entity_tag(each))
        raise NotFoundError(
            f"step {step!r} of flow {flow!r} has no step snapshot", code="no-step-snapshot"
        )

    async def create(self, request: Request) -> Response:
        """Give a step that has no snapshot its first one."""
        flow = _flow_of(request)
        resource = await read_resource(request)
        step = resource.id
        if step is None:
            raise InputError("data.id has to name the step", code="not-a-document")
        value, expected = resource.attributes.snapshot, Expected(exists=False)
        made = await self._edit(
            lambda: self._space.set_snapshot(flow, step, value, expected=expected)
        )
        place = {"location": path_of(flow, step)}
        return answer(snapshot_document(flow, made), 201, {**place, **entity_tag(made)})

    async def edit(self, request: Request) -> Response:
        """Replace the whole snapshot of a step."""
        flow, step = _flow_of(request), _step_of(request)
        expected = Expected(exists=True, versions=read_versions(request))
        resource = await read_resource(request)
        if resource.id not in {None, step}:
            raise RequestError(
                409, f"the address names step {step!r}, data.id another", code="id-differs"
            )
        value = resource.attributes.snapshot
        made = await self._edit(
            lambda: self._space.set_snapshot(flow, step, value, expected=expected)
        )
        return answer(snapshot_document(flow, made), headers=entity_tag(made))

    async def delete(self, request: Request) -> Response:
        """Remove the snapshot of a step: it begins with nothing."""
        flow, step = _flow_of(request), _step_of(request)
        expected = Expected(exists=True, versions=read_versions(request))
        await self._edit(lambda: self._space.reset(flow, step, expected=expected))
        return empty_answer(204)

    async def _edit(self, work: Callable[[], Result]) -> Result:
        # In turn: of two that come at once the second is told what has changed (412), and not that
        # somebody holds the lock.
        async with self._turn:
            return await asyncio.to_thread(work)


def _answering(calls: Mapping[str, Call], on_trouble: OnTrouble) -> Call:
    async def respond(request: Request) -> Response:
        try:
            return await calls["GET" if request.method == "HEAD" else request.method](request)
        except JunoSnapError as error:
            return refusal(error)
        except Exception as error:  # noqa: BLE001 - whoever asked is told no more than that
            on_trouble(error)
            told = "something went wrong in here; the terminal of the console has more"
            return refusal(RequestError(500, told, code="unexpected"))

    return respond


async def _describe(_request: Request) -> Response:
    return answer(describe())


async def _refuse_address(request: Request, error: Exception) -> Response:
    """The router's own refusals, in the shape of all others."""
    if not isinstance(error, HTTPException):
        raise error
    code = METHOD_CODES.get(error.status_code, "bad-request")
    told = f"there is no {request.method} {request.url.path}"
    return refusal(RequestError(error.status_code, told, code=code), error.headers)


def _flow_of(request: Request) -> str:
    """The flow in the address.

    Raises:
        NotFoundError: No flow could be called so.
    """
    try:
        return check_name("flow", request.path_params["flow"])
    except InputError as error:
        raise NotFoundError(error.message, code="no-such-flow", hint=error.hint) from error


def _step_of(request: Request) -> str:
    return str(request.path_params["step"])
