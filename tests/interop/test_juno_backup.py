"""Juno's own schema of a snapshot's metadata, and its own way to write it, on backups of ours."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from juno_snap.backup.convert import convert_backup
from juno_snap.backup.formats import juno
from juno_snap.backup.layout import METADATA
from juno_snap.backup.model import Global
from juno_snap.backup.reader import open_backup
from juno_snap.backup.verify import verify_backup
from tests.motoko import require_npm_packages, run_node
from tests.unit.backup.snapshots import GLOBALS, SNAPSHOT, metadatas, noise, snapshot, write

pytestmark = pytest.mark.interop


WRONG = {
    "label": "more than Juno knows",
    "metadata.label": 1,
    "data.label": None,
    "data.wasmModule.label": 1,
    "data.wasmModule.hash": "00",
    "data.wasmModule.size": 64,
    "data.wasmModule.filename": "wasm_module.bin",
    "metadata.globalTimer": None,
    "metadata.onLowWasmMemoryHookStatus": None,
    "metadata.source": None,
    "metadata.canisterVersion": 7,
    "metadata.certifiedData": [1],
    "metadata.globals": [{"i64": 1}],
}


def told_by_juno(documents):
    require_npm_packages()
    ran = run_node(["node", "clients/juno_snapshot.mjs"], task=json.dumps(documents))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def without_sign(metadata):
    """JavaScript writes -0 as 0."""
    return replace(
        metadata,
        globals=tuple(
            Global(each.kind, each.value + 0.0) if each.kind in {"f32", "f64"} else each
            for each in metadata.globals
        ),
    )


def test_a_backup_for_juno_fits_its_schema_and_comes_back_from_it(tmp_path):
    source = snapshot(
        globals_=GLOBALS, chunks=(noise("chunk", 999),), stable=noise("stable", 65_536)
    )
    convert_backup(write(tmp_path / "ours", source), tmp_path / "juno", to="juno")
    place = tmp_path / "juno" / METADATA
    (told,) = told_by_juno([place.read_text(encoding="utf-8")])
    assert (told["ok"], told["where"]) == (True, None)
    place.write_text(told["again"], encoding="utf-8")
    assert verify_backup(tmp_path / "juno").is_sound
    back = open_backup(tmp_path / "juno").description
    assert (back.snapshot, back.metadata) == (SNAPSHOT, without_sign(source.metadata))


@given(st.lists(metadatas(), min_size=50, max_size=50))
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large],
)
def test_all_metadata_fits_the_schema_and_comes_back_exactly(drawn):
    entries = {"wasm-code.bin": "wasm_module", "heap.bin": "wasm_memory"}
    documents = []
    for metadata in drawn:
        files = [
            juno.JunoFile(name=name, size_bytes=size, sha256=bytes(32))
            for name, size in [
                *((name, metadata.size_of(part)) for name, part in entries.items()),
                ("stable.bin", metadata.stable_memory_bytes),
                ("chunks-store.bin", len(metadata.wasm_chunk_store)),
            ]
            if size
        ]
        documents.append(juno.render_metadata(SNAPSHOT, metadata, files).decode())
    for metadata, told in zip(drawn, told_by_juno(documents), strict=True):
        assert told["ok"], told
        said = juno.parse_metadata(told["again"].encode(), Path(METADATA))
        assert without_sign(said.metadata) == without_sign(metadata)


def test_the_schema_is_as_strict_as_junos(tmp_path):
    convert_backup(write(tmp_path / "ours", snapshot()), tmp_path / "juno", to="juno")
    text = (tmp_path / "juno" / METADATA).read_text(encoding="utf-8")
    wrong = []
    for path, value in WRONG.items():
        document = json.loads(text)
        *folders, last = path.split(".")
        inner = document
        for folder in folders:
            inner = inner[folder]
        inner[last] = value
        wrong.append(json.dumps(document))
    assert [told["ok"] for told in told_by_juno([text, *wrong])] == [True, *[False] * len(WRONG)]
