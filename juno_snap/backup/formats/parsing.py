"""JSON of other tools, read strictly: exact integers, no key twice, nothing that is no JSON."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import BaseModel, Field, ValidationError

from juno_snap.backup.model import FLOAT_FORMATS, Global, Metadata, problems_of
from juno_snap.backup.places import damaged
from juno_snap.errors import BackupError

Model = TypeVar("Model", bound=BaseModel)
Nat: TypeAlias = Annotated[int, Field(ge=0)]
Byte: TypeAlias = Annotated[int, Field(ge=0, le=255)]

NOT_A_NUMBER: Final = "JSON has no NaN and no infinity"


def parse_object(data: bytes, place: Path) -> dict[str, object]:
    """The JSON object in ``data``.

    Raises:
        BackupError: It is none, or no strict JSON.
    """
    try:
        said = json.loads(
            data.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise damaged(place, f"is malformed: {error}") from error
    if not isinstance(said, dict):
        raise damaged(place, "is malformed: it is no object")
    return said


def validated(model: type[Model], said: object, place: Path) -> Model:
    """``said`` as ``model``.

    Raises:
        BackupError: It does not fit; the message names the first place.
    """
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise damaged(place, f"is malformed: {where}: {first['msg']}") from error


def checked(metadata: Metadata, place: Path) -> Metadata:
    """``metadata``, if the network has such snapshots.

    Raises:
        BackupError: It has not.
    """
    for problem in problems_of(metadata):
        raise damaged(place, f"describes no snapshot: {problem}")
    return metadata


def read_global(said: Mapping[str, object], v128: int | None, place: Path) -> Global:
    """A global variable as both tools write it; ``v128`` is decoded by the caller.

    Raises:
        BackupError: It is none; a float that the tool could not write, NaN or infinite, is null.
    """
    if len(said) != 1:
        raise damaged(place, "is malformed: a global has one kind and one value")
    ((kind, value),) = said.items()
    if kind in FLOAT_FORMATS and value is None:
        raise BackupError(
            f"{place} has lost the value of an {kind} global: it was NaN or infinite, which the "
            "tool that wrote it cannot write",
            path=str(place),
            code="backup-lost-value",
            hint="download the snapshot again with juno-snap",
        )
    match kind, value:
        case ("i32" | "i64" as integer, int(number)) if not isinstance(number, bool):
            return Global("i32" if integer == "i32" else "i64", number)
        case ("f64", int() | float()) if not isinstance(value, bool):
            return Global("f64", _float(value, place))
        case ("f32", int() | float()) if not isinstance(value, bool):
            return Global("f32", _nearest_f32(_float(value, place), place))
        case ("v128", _) if v128 is not None:
            return Global("v128", v128)
        case _:
            raise damaged(place, f"is malformed: a global {kind!r}")


def require_finite(globals_: Sequence[Global], place: Path, tool: str) -> None:
    """Refuse globals that JSON cannot say.

    Raises:
        BackupError: One is NaN or infinite.
    """
    for number, each in enumerate(globals_):
        if not each.is_finite:
            raise BackupError(
                f"global {number} is {each.value}, an {each.kind}: the format of {tool} has no "
                "such number",
                path=str(place),
                code="backup-format",
                hint="keep the backup as it is; juno-snap restores it exactly",
            )


def _float(value: float, place: Path) -> float:
    try:
        number = float(value)
    except OverflowError as error:
        raise damaged(place, "is malformed: a float that is too large") from error
    if number in {float("inf"), float("-inf")}:
        raise damaged(place, "is malformed: a float that is too large")
    return number


def _nearest_f32(value: float, place: Path) -> float:
    """A tool may write the shortest digits that mean this f32, which as an f64 are another."""
    try:
        (nearest,) = struct.unpack(">f", struct.pack(">f", value))
    except OverflowError as error:
        raise damaged(place, "is malformed: an f32 that is too large") from error
    return float(nearest)


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{NOT_A_NUMBER}: {name}")
