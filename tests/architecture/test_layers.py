"""Imports point one way; each third-party package stays behind the modules named for it."""

import sys
from collections import Counter

import pytest

from tests.architecture.imports import PACKAGE, all_imports, module_name, source_files

BASE = {
    "errors", "units", "ids", "clock", "events", "files", "processes", "serving", "version",
    "waits",
}  # fmt: skip
LAYERS = {
    "base": {"base"},
    "database": {"base", "database"},
    "wire": {"base", "wire"},
    "backup": {"base", "wire", "backup"},
    "settings": {"base", "wire", "settings"},
    "agent": {"base", "wire", "agent"},
    "management": {"base", "wire", "agent", "management"},
    "juno": {"base", "wire", "agent", "management", "juno"},
    "pipeline": {"base", "agent", "backup", "management", "juno", "database", "pipeline"},
    "flow": {"base", "backup", "juno", "database", "pipeline", "flow"},
    "replica": {"base", "wire", "replica"},
    "console": {"base", "backup", "pipeline", "flow", "management", "console"},
    "library": {
        "base", "agent", "settings", "management", "juno", "pipeline", "flow", "replica", "library",
    },
    "testing": {"base", "agent", "management", "pipeline", "replica", "library", "testing"},
    "cli": {
        "base", "agent", "backup", "settings", "management", "juno", "pipeline", "flow", "replica",
        "console", "library", "cli",
    },
}  # fmt: skip

ANYWHERE = {
    "pydantic",
    "typing_extensions",
}  # what comes from or goes to a file, a person or an API, in any layer
FENCES = {
    "ic": {"juno_snap.ids", "juno_snap.wire.candid"},
    "cbor2": {"juno_snap.wire.cbor"},
    "py_arkworks_bls12381": {"juno_snap.wire.bls"},
    "cryptography": {
        "juno_snap.wire.signature", "juno_snap.agent.pem", "juno_snap.juno.credentials.store",
        "juno_snap.pipeline.journal.envelopes",
    },
    "httpx": {"juno_snap.agent.transport", "juno_snap.juno.releases.http"},
    "tenacity": {"juno_snap.agent.retry", "juno_snap.flow.retry"},
    "wasmtime": {"juno_snap.replica.runtime"},
    "starlette": {
        "juno_snap.replica.endpoints", "juno_snap.replica.server",
        "juno_snap.console.app", "juno_snap.console.guard", "juno_snap.console.messages",
        "juno_snap.console.page",
    },
    "uvicorn": {"juno_snap.serving", "juno_snap.replica.server", "juno_snap.console.server"},
    "platformdirs": {"juno_snap.settings.paths"},
    "sqlalchemy": {
        "juno_snap.database.rows", "juno_snap.database.sqlite",
        "juno_snap.pipeline.journal.access", "juno_snap.pipeline.journal.schema",
        "juno_snap.pipeline.journal.store",
        "juno_snap.flow.access", "juno_snap.flow.edits", "juno_snap.flow.schema",
        "juno_snap.flow.store",
    },
    "fsspec": {"juno_snap.backup.copies.remote"},
    "pyrage": {"juno_snap.backup.copies.age"},
    "keyring": {"juno_snap.juno.credentials.keyrings"},
    "pytest": {"juno_snap.pytest_plugin"},
    "typer": {"juno_snap.cli"},
    "click": {"juno_snap.cli"},
    "rich": {"juno_snap.cli"},
}  # fmt: skip
MODULES_BEHIND_ONE_FENCE = 4
"""In one package: two stores, each with its own tables, need not speak through the same modules."""
EXCEPTIONS = {("juno_snap.pipeline.rehearse", "replica")}
"""A rehearsal is the pipeline on a local replica; nothing but that one module knows it."""


def layer_of(dotted: str) -> str:
    parts = dotted.split(".")
    if len(parts) == 1:
        return "library"  # the root offers it; nothing below imports the root
    if parts[1] in BASE:
        return "base"
    return {"__main__": "cli", "pytest_plugin": "testing"}.get(parts[1], parts[1])


def own_imports():
    return [found for found in all_imports() if found.imported.startswith("juno_snap")]


def test_every_package_belongs_to_a_layer():
    unknown = {layer_of(module_name(path)) for path in source_files()} - set(LAYERS)
    assert unknown == set()


def test_imports_point_one_way():
    wrong = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in own_imports()
        if layer_of(found.imported) not in LAYERS[layer_of(found.importer)]
        and (found.importer, layer_of(found.imported)) not in EXCEPTIONS
    ]
    assert wrong == []


def test_the_pipeline_does_not_need_the_local_replica():
    importers = {
        found.importer
        for found in own_imports()
        if found.imported == "juno_snap.pipeline.rehearse"
        and layer_of(found.importer) == "pipeline"
    }
    assert importers == set()


def test_third_party_packages_stay_behind_their_fences():
    wrong = []
    for found in all_imports():
        package = found.imported.split(".")[0]
        if package == "juno_snap" or package in sys.stdlib_module_names or package in ANYWHERE:
            continue
        allowed = FENCES.get(package, set())
        if not any(f"{found.importer}.".startswith(f"{name}.") for name in allowed):
            wrong.append(f"{found.importer}:{found.line} imports {found.imported}")
    assert wrong == []


@pytest.mark.parametrize("package", sorted(set(FENCES) - {"typer", "click", "rich"}))
def test_few_modules_know_a_third_party_package(package):
    knowing = {f.importer for f in all_imports() if f.imported.split(".")[0] == package}
    of_packages = Counter(name.rpartition(".")[0] for name in knowing)
    assert max(of_packages.values()) <= MODULES_BEHIND_ONE_FENCE


def test_no_import_cycles():
    graph = {}
    for found in own_imports():
        if found.importer != found.imported:
            graph.setdefault(found.importer, set()).add(found.imported)
    done, path = set(), []

    def visit(name):
        if name in done:
            return
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        path.append(name)
        for other in sorted(graph.get(name, ())):
            visit(other)
        path.pop()
        done.add(name)

    for name in sorted(graph):
        visit(name)


def test_the_command_line_starts_without_heavy_packages():
    heavy = {
        "wasmtime", "sqlalchemy", "httpx", "ic", "starlette", "uvicorn", "cryptography", "fsspec",
        "pyrage",
    }  # fmt: skip
    early = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in all_imports()
        if found.importer.startswith("juno_snap.cli")
        and found.at_module_level
        and found.imported.split(".")[0] in heavy
    ]
    assert early == []
    assert (PACKAGE / "cli").is_dir()
