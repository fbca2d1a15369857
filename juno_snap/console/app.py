"""The calls, each by its address and method."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar, final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from juno_snap.console.answers import (
    PATH_OF_FLOWS,
    RequestError,
    flows_document,
    list_document,
    path_of,
    snapshot_document,
)
from juno_snap.console.description import PATH_OF_UNDO, PATHS_OF_LIST, describe
from juno_snap.console.guard import Doors, Guard
from juno_snap.console.messages import (
    answer,
    empty_answer,
    entity_tag,
    read_resource,
    read_versions,
    refusal,
    version_tag,
)
from juno_snap.console.page import read_page
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
    page = read_page()
    of_flows = _answering({"GET": calls.show_flows}, on_trouble)
    of_list = _answering(
        {"GET": calls.show_all, "POST": calls.create, "DELETE": calls.reset}, on_trouble
    )
    of_undo = _answering({"POST": calls.undo}, on_trouble)
    of_one = _answering(
        {"GET": calls.show, "PATCH": calls.edit, "DELETE": calls.delete}, on_trouble
    )
    routes = [
        Route(DESCRIPTION, _describe, methods=["GET"]),
        *(Route(path, _of_page(file), methods=["GET"]) for path, file in page.items()),
        Route(PATH_OF_FLOWS, of_flows, methods=["GET"]),
        *(Route(path, of_list, methods=["GET", "POST", "DELETE"]) for path in PATHS_OF_LIST),
        Route(PATH_OF_UNDO, of_undo, methods=["POST"]),
        Route(path_of("{flow}", "{step}"), of_one, methods=["GET", "PATCH", "DELETE"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse_address})
    app.router.redirect_slashes = False
    return Guard(app, doors, open_paths=page.keys())


@final
class Calls:
    """The calls, over the flows of one state directory."""

    def __init__(self, space: FlowSpace) -> None:
        self._space = space
        self._turn = asyncio.Lock()

    async def show_flows(self, _request: Request) -> Response:
        """All flows, and what they are doing."""
        return answer(flows_document(await self._in_turn(self._space.flows)))

    async def show_all(self, request: Request) -> Response:
        """The step snapshots of a flow."""
        return await self._all_of(_flow_of(request))

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
        made = await self._in_turn(
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
        made = await self._in_turn(
            lambda: self._space.set_snapshot(flow, step, value, expected=expected)
        )
        return answer(snapshot_document(flow, made), headers=entity_tag(made))

    async def reset(self, request: Request) -> Response:
        """Remove the snapshots of all steps of a flow."""
        flow = _flow_of(request)
        expected = Expected(versions=read_versions(request))
        steps = await self._in_turn(lambda: self._space.reset(flow, None, expected=expected))
        return await self._all_of(flow, reset=list(steps))

    async def undo(self, request: Request) -> Response:
        """Take back the last change of a flow that a person has made."""
        flow = _flow_of(request)
        expected = Expected(versions=read_versions(request))
        steps = await self._in_turn(lambda: self._space.undo(flow, None, expected=expected))
        return await self._all_of(flow, undone=list(steps))

    async def delete(self, request: Request) -> Response:
        """Remove the snapshot of a step: it begins with nothing."""
        flow, step = _flow_of(request), _step_of(request)
        expected = Expected(exists=True, versions=read_versions(request))
        await self._in_turn(lambda: self._space.reset(flow, step, expected=expected))
        return empty_answer(204)

    async def _all_of(self, flow: str, **meta: object) -> Response:
        found, version = await asyncio.to_thread(self._space.snapshots_with_version, flow)
        return answer(list_document(flow, found, meta), headers=version_tag(version))

    async def _in_turn(self, work: Callable[[], Result]) -> Result:
        # Of two that come at once the second is told what has changed (412), and not that somebody
        # holds the lock; who only looks whether a flow runs holds it for a moment, too.
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


def _of_page(file: Response) -> Call:
    async def respond(_request: Request) -> Response:
        return file

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
