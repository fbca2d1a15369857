"""The OpenAPI document of the calls."""

from typing import Final, get_args

from juno_snap.console.answers import FLOW_TYPE, PATH_OF_FLOWS, TYPE, Document, path_of
from juno_snap.flow.model import NAME_PATTERN, SNAPSHOT_MAX_BYTES, Change, FlowState
from juno_snap.version import __version__

PATH_OF_LIST: Final = f"{PATH_OF_FLOWS}/{{flow}}/snapshots"
PATH_OF_UNDO: Final = f"{PATH_OF_FLOWS}/{{flow}}/undo"
PATHS_OF_LIST: Final = (PATH_OF_LIST, f"{PATH_OF_LIST}/")
NAME: Final[Document] = {"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$"}
JSON: Final = "application/json"
TIME: Final[Document] = {"type": "string", "format": "date-time"}

REFUSALS: Final = {
    "400": "The connection broke off.",
    "401": "The token is missing or wrong.",
    "403": "Another Host, or a page of another site.",
    "404": "No such flow, step or step snapshot.",
    "408": "The body came too slowly.",
    "409": "The flow runs, the step has a step snapshot already, or the ids differ.",
    "412": "The step snapshot is not the one that If-Match names.",
    "413": f"More than {SNAPSHOT_MAX_BYTES} bytes as compact JSON in UTF-8.",
    "415": "The body is not JSON by its type.",
    "422": "The body is no JSON, or not the document of a step snapshot.",
    "500": "The flows cannot be read or written.",
    "503": "Another process writes all the time.",
}
ALWAYS: Final = ("401", "403", "404", "500", "503")
CHANGED: Final = ("409", "412")
WITH_BODY: Final = ("400", "408", "409", "413", "415", "422")


def describe() -> Document:
    """The document, for OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "juno-snap",
            "version": __version__,
            "description": "Step snapshots of flows. The token is the one of this start.",
        },
        "security": [{"token": []}],
        "paths": {
            PATH_OF_FLOWS: {"get": _flows_call()},
            PATH_OF_LIST: {
                "parameters": [_ref("parameters", "flow")],
                "get": _list_call(),
                "post": _create_call(),
                "delete": _reset_call(),
            },
            PATH_OF_UNDO: {"parameters": [_ref("parameters", "flow")], "post": _undo_call()},
            path_of("{flow}", "{step}"): {
                "parameters": [_ref("parameters", "flow"), _ref("parameters", "step")],
                "get": _show_call(),
                "patch": _edit_call(),
                "delete": _delete_call(),
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "parameters": _parameters(),
            "headers": {
                "ETag": {
                    "description": "The version, for If-Match.",
                    "required": True,
                    "schema": {"type": "string"},
                }
            },
            "schemas": _schemas(),
            "responses": {status: _response(text, "Errors") for status, text in REFUSALS.items()},
        },
    }


def _flows_call() -> Document:
    text = "The flows that were ever run, and what they are doing."
    return _call("flows", text, {"200": _response("All.", "Flows")})


def _list_call() -> Document:
    return _call("list", "The step snapshots of a flow.", {"200": _all("All.")})


def _reset_call() -> Document:
    text = (
        "Remove the snapshots of all steps, which then begin with nothing; undo brings them back. "
        "Not while the flow runs. Snapshots of modules stay as they are."
    )
    call = _call("reset", text, {"200": _all("meta.reset: the steps that had one.")}, CHANGED)
    return {**call, "parameters": [_ref("parameters", "ifMatch")]}


def _undo_call() -> Document:
    text = "Take back the last change of the flow by a person. Not while the flow runs."
    call = _call("undo", text, {"200": _all("meta.undone: the steps of that change.")}, CHANGED)
    return {**call, "parameters": [_ref("parameters", "ifMatch")]}


def _show_call() -> Document:
    return _call("show", "The snapshot of a step.", {"200": _one("It.")})


def _create_call() -> Document:
    place: Document = {
        "description": "Where it is.", "required": True, "schema": {"type": "string"}
    }  # fmt: skip
    made = _one("It was made.", Location=place)
    links = {
        name: {
            "operationId": name,
            "parameters": {"flow": "$request.path.flow", "step": "$response.body#/data/id"},
        }
        for name in ("show", "edit", "delete")
    }
    call = _call(
        "create",
        "Give a step that has no snapshot its first one. Not while the flow runs.",
        {"201": {**made, "links": links}},
        WITH_BODY,
    )
    return {**call, "requestBody": _body("New")}


def _edit_call() -> Document:
    call = _call(
        "edit",
        "Replace the whole snapshot of a step. Not while the flow runs.",
        {"200": _one("The new one.")},
        ("412", *WITH_BODY),
    )
    parameters = [_ref("parameters", "ifMatch")]
    return {**call, "parameters": parameters, "requestBody": _body("Change")}


def _delete_call() -> Document:
    call = _call(
        "delete",
        "Remove the snapshot of a step, which then begins with nothing. Not while the flow runs.",
        {"204": {"description": "It is gone."}},
        CHANGED,
    )
    return {**call, "parameters": [_ref("parameters", "ifMatch")]}


def _call(name: str, text: str, good: Document, bad: tuple[str, ...] = ()) -> Document:
    refused = {status: _ref("responses", status) for status in sorted({*ALWAYS, *bad})}
    return {"operationId": name, "summary": text, "responses": {**good, **refused}}


def _all(text: str) -> Document:
    return {**_response(text, "List"), "headers": {"ETag": _ref("headers", "ETag")}}


def _one(text: str, **headers: Document) -> Document:
    return {
        **_response(text, "Snapshot"),
        "headers": {"ETag": _ref("headers", "ETag"), **headers},
    }


def _response(text: str, schema: str) -> Document:
    return {"description": text, "content": {JSON: {"schema": _ref("schemas", schema)}}}


def _body(schema: str) -> Document:
    return {"required": True, "content": {JSON: {"schema": _ref("schemas", schema)}}}


def _ref(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}


def _parameters() -> Document:
    return {
        "flow": {"name": "flow", "in": "path", "required": True, "schema": NAME},
        "step": {"name": "step", "in": "path", "required": True, "schema": NAME},
        "ifMatch": {
            "name": "If-Match",
            "in": "header",
            "description": "The ETag of what was read; then nothing else is changed.",
            "schema": {"type": "string"},
        },
    }


def _schemas() -> Document:
    attributes = _object(
        snapshot={"description": f"Any JSON, at most {SNAPSHOT_MAX_BYTES} bytes in compact form."}
    )
    kind: Document = {"type": "string", "enum": [TYPE]}
    resource = _object(type=kind, id=NAME, links=_object(self={"type": "string"}),
                       attributes=attributes, meta=_resource_meta())  # fmt: skip
    change = _object(type=kind, attributes=attributes)
    change["properties"] = {
        "type": kind,
        "id": {"description": "The step of the address, if anything.", "type": ["string", "null"]},
        "attributes": attributes,
    }
    meta: Document = {"type": "object"}
    error = _object(status={"type": "string"}, code={"type": "string"}, detail={"type": "string"})
    return {
        "Resource": resource,
        "Snapshot": _object(data=_ref("schemas", "Resource"), meta=meta),
        "Flows": _object(data={"type": "array", "items": _flow_resource()}, meta=meta),
        "List": _object(data={"type": "array", "items": _ref("schemas", "Resource")}, meta=meta),
        "New": _object(
            data=_object(
                type=kind, id={"type": "string", "examples": ["query"]}, attributes=attributes
            )
        ),
        "Change": _object(data=change),
        "Errors": _object(errors={"type": "array", "minItems": 1, "items": error}),
    }


def _resource_meta() -> Document:
    return _object(
        text={"type": "string", "description": "The JSON as it is stored, every digit of it."},
        size_bytes={"type": "integer"},
        limit_bytes={"type": "integer"},
        version={"type": "string", "description": "Its ETag, without the quotes."},
        run={"type": ["string", "null"], "description": "What emitted it; null: a person."},
        updated_at=TIME,
    )


def _flow_resource() -> Document:
    steps: Document = {"type": "array", "items": NAME}
    run = _object(
        id={"type": "string"},
        began_at=TIME,
        ended_at={**TIME, "type": ["string", "null"]},
        error={"type": ["string", "null"]},
    )
    change = _object(kind={"type": "string", "enum": list(get_args(Change))}, steps=steps, at=TIME)
    return _object(
        type={"type": "string", "enum": [FLOW_TYPE]},
        id=NAME,
        links=_object(snapshots={"type": "string"}),
        attributes=_object(
            state={"type": "string", "enum": list(get_args(FlowState))},
            steps=steps,
            source={"type": ["string", "null"]},
            run=_or_null(run, "The last one."),
            change=_or_null(change, "The last one by a person, which undo takes back."),
        ),
    )


def _or_null(schema: Document, text: str) -> Document:
    return {"anyOf": [schema, {"type": "null"}], "description": text}


def _object(**properties: Document) -> Document:
    return {"type": "object", "required": list(properties), "properties": properties}
