"""Finds a flow where somebody says it is: in a Python file, or declared in TOML.

```toml
[flow]
name = "orders"

[[steps]]
id = "query"
function = "orders.py:query"      # a file beside this one, or package.module:name
cfg = { since = "2017-01-01T00:00:00.000Z" }
secrets = { token = "ORDERS_TOKEN" }  # the variable that holds it
attempts = 5
```
"""

import importlib
import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from juno_snap.errors import ConfigError, InputError, JunoSnapError
from juno_snap.files import read_file, read_toml
from juno_snap.flow.flow import Attempts, Flow, Step, StepFunction, takes_context

TOML: Final = ".toml"
PYTHON: Final = ".py"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _FlowTable(_Table):
    name: str


class _StepTable(_Table):
    id: str
    function: str
    cfg: dict[str, object] = {}
    secrets: dict[str, str] = {}
    attempts: int = Field(default=3, ge=1)
    first_wait_seconds: float = Field(default=1.0, ge=0)
    longest_wait_seconds: float = Field(default=60.0, ge=0)
    concurrency: int = Field(default=1, ge=1)


class _File(_Table):
    flow: _FlowTable
    steps: list[_StepTable] = Field(min_length=1)


def load_flow(source: str) -> tuple[Flow, str]:
    """The flow of ``FILE.py:NAME`` or ``FILE.toml``, and the same source with an absolute path.

    Importing a Python file runs its code.

    Raises:
        InputError: ``source`` has neither form.
        NotFoundError: There is no such file.
        ConfigError: There is no such flow in it, or something in it is wrong.
    """
    if source.endswith(TOML):
        path = Path(source).absolute()
        return _declared(path), str(path)
    file, _, name = source.rpartition(":")
    if not file.endswith(PYTHON) or not name:
        raise InputError(
            f"{source!r} names no flow",
            value=source,
            hint="say FILE.py:NAME, with the name of the variable, or FILE.toml",
        )
    path = Path(file).absolute()
    flow = getattr(_module(path), name, None)
    if not isinstance(flow, Flow):
        raise ConfigError(
            f"{path} has no flow {name!r}",
            source=str(path),
            key=name,
            hint=f'it should say: {name} = Flow("...")',
        )
    return flow, f"{path}:{name}"


def _declared(path: Path) -> Flow:
    try:
        file = _File.model_validate(read_toml(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}", source=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{path}: {key}: {first['msg']}", source=str(path), key=key, hint=_hint(error)
        ) from error
    try:
        flow = Flow(file.flow.name)
    except InputError as error:
        raise _wrong(path, "flow.name", error.message, error.hint) from error
    modules: dict[Path, ModuleType] = {}
    for table in file.steps:
        key = f"steps.{table.id}"
        function = _function(path, key, table.function, modules)
        try:
            flow.add(_step(table, function))
        except JunoSnapError as error:
            raise _wrong(path, key, error.message, error.hint) from error
    return flow


def _step(table: _StepTable, function: StepFunction) -> Step:
    return Step(
        id=table.id,
        function=function,
        takes_context=takes_context(table.id, function),
        cfg=table.cfg,
        secrets=table.secrets,
        attempts=Attempts(
            most=table.attempts,
            first_wait_seconds=table.first_wait_seconds,
            longest_wait_seconds=table.longest_wait_seconds,
        ),
        concurrency=table.concurrency,
    )


def _function(path: Path, key: str, text: str, modules: dict[Path, ModuleType]) -> StepFunction:
    """The function that a declaration names; a file is beside the declaration, and is run once."""
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise _wrong(path, key, f"{text!r} names no function", "say FILE.py:NAME or MODULE:NAME")
    if place.endswith(PYTHON):
        file = path.parent / place
        module = modules.get(file) or modules.setdefault(file, _module(file))
    else:
        module = _imported(path, key, place)
    function = getattr(module, name, None)
    if not callable(function):
        raise _wrong(path, key, f"{place} has no function {name!r}", "correct the name")
    found: StepFunction = function
    return found


def _imported(path: Path, key: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        why = f"{name!r} cannot be imported: {type(error).__name__}: {error}"
        raise _wrong(path, key, why, "it must be installed, or found through PYTHONPATH") from error


def _module(path: Path) -> ModuleType:
    """The Python module in a file; what stands beside it can be imported, as in a script."""
    read_file(path)  # a file that is not there has an error of its own
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"juno_snap_flow_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file", source=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{path} cannot be run: {type(error).__name__}: {error}",
            source=str(path),
            hint="correct the file; with -v the place is shown",
        ) from error
    return module


def _wrong(path: Path, key: str, why: str, hint: str) -> ConfigError:
    return ConfigError(f"{path}: {key}: {why}", source=str(path), key=key, hint=hint)


def _hint(error: ValidationError) -> str:
    return "there are more mistakes in it" if error.error_count() > 1 else "correct it there"
