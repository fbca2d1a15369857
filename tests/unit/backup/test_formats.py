"""The directories of icp-cli and dfx, and of Juno: exact round trips, and what is refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.backup.formats import icp, juno
from juno_snap.backup.formats.juno import JunoFile, locate_chunks, survives_upload
from juno_snap.backup.layout import (
    FileEntry,
    Manifest,
    parse_begun,
    parse_manifest,
    render_begun,
    render_manifest,
)
from juno_snap.backup.model import Description, Global, GlobalTimer
from juno_snap.errors import BackupError
from tests.unit.backup.snapshots import (
    FINITE,
    MODULE,
    NOT_FINITE,
    SNAPSHOT,
    metadatas,
    noise,
    snapshot,
)

PLACE = Path("metadata.json")


def files_of(metadata) -> tuple[JunoFile, ...]:
    """The entries that Juno has for parts that are not empty."""
    sizes = {
        "wasm-code.bin": metadata.wasm_module_bytes,
        "heap.bin": metadata.wasm_memory_bytes,
        "stable.bin": metadata.stable_memory_bytes,
        "chunks-store.bin": len(metadata.wasm_chunk_store),
    }
    return tuple(
        JunoFile(name=name, size_bytes=size, sha256=hashlib.sha256(name.encode()).digest())
        for name, size in sizes.items()
        if size
    )


@given(metadatas())
def test_icp_metadata_comes_back_exactly(metadata):
    assert icp.parse_metadata(icp.render_metadata(metadata), PLACE) == metadata


@given(metadatas())
def test_juno_metadata_comes_back_exactly(metadata):
    files = files_of(metadata)
    data = juno.render_metadata(SNAPSHOT, metadata, files)
    said = juno.parse_metadata(data, PLACE)
    assert (said.snapshot, said.metadata, said.files) == (SNAPSHOT, metadata, files)


@given(metadatas(FINITE | NOT_FINITE), st.text(), st.booleans())
@settings(max_examples=200)
def test_our_own_files_carry_every_bit(metadata, label, is_protected):
    description = Description(
        module=MODULE,
        snapshot=SNAPSHOT,
        metadata=metadata,
        label=label.encode(errors="replace").decode(),
        is_protected=is_protected,
        root_key_sha256=bytes(32),
    )
    assert parse_begun(render_begun(description), PLACE) == description
    names = {
        "metadata.json": 7, "juno-snap.begun.json": 9,
        "wasm_module.bin": metadata.wasm_module_bytes,
        "wasm_memory.bin": metadata.wasm_memory_bytes,
        "stable_memory.bin": metadata.stable_memory_bytes,
    }  # fmt: skip
    files = [
        FileEntry(name=name, size_bytes=size, sha256=noise(name, 32))
        for name, size in names.items()
    ]
    files += [
        FileEntry(name=f"wasm_chunk_store/{each.hex()}.bin", size_bytes=3, sha256=each)
        for each in metadata.wasm_chunk_store
    ]
    manifest = Manifest(description=description, files=tuple(files))
    assert parse_manifest(render_manifest(manifest), PLACE) == manifest


@given(NOT_FINITE)
def test_a_float_that_icp_could_not_write_is_lost_and_said_to_be(strange):
    metadata = replace(snapshot().metadata, globals=(strange,))
    with pytest.raises(BackupError) as caught:
        icp.parse_metadata(icp.render_metadata(metadata), PLACE)
    assert caught.value.code == "backup-lost-value"


def icp_with(**changes):
    document = json.loads(icp.render_metadata(snapshot().metadata))
    return icp.parse_metadata(json.dumps({**document, **changes}).encode(), PLACE)


def juno_document(metadata=None):
    metadata = metadata or snapshot().metadata
    return json.loads(juno.render_metadata(SNAPSHOT, metadata, files_of(metadata)))


def juno_with(document):
    return juno.parse_metadata(json.dumps(document).encode(), PLACE)


def test_icp_metadata_may_lack_what_older_networks_do_not_say():
    document = json.loads(icp.render_metadata(snapshot().metadata))
    for key in ("source", "global_timer", "on_low_wasm_memory_hook_status"):
        del document[key]
        said = icp.parse_metadata(json.dumps(document).encode(), PLACE)
    assert (said.source, said.global_timer, said.on_low_wasm_memory_hook_status) == (None,) * 3
    assert icp_with(source=None, global_timer=None).global_timer is None
    assert icp_with(something_newer=1) == snapshot().metadata


def test_icp_metadata_has_other_spellings():
    assert icp_with(globals=[{"v128": 2**64}]).globals == (Global("v128", 2**64),)
    assert icp_with(globals=[{"v128": [0, 1]}]).globals == (Global("v128", 2**32),)
    assert icp_with(globals=[{"f64": 2}]).globals == (Global("f64", 2.0),)
    assert icp_with(globals=[{"f32": 1.1}]).globals == (Global("f32", 1.100000023841858),)
    assert icp_with(global_timer={"active": 0}).global_timer == GlobalTimer(0)
    assert icp_with(source={"metadata_upload": None}).source == "metadata_upload"


@pytest.mark.parametrize(
    "changes",
    [
        {"certified_data": "00ff"},  # icp would take the digits for the bytes
        {"certified_data": [256]},
        {"certified_data": [0] * 33},
        {"certified_data": [True]},
        {"globals": [None]},
        {"globals": [{}]},
        {"globals": [{"i32": 1, "i64": 1}]},
        {"globals": [{"i32": 2**31}]},
        {"globals": [{"i32": True}]},
        {"globals": [{"i64": 2**63}]},
        {"globals": [{"i64": 1.0}]},
        {"globals": [{"i64": "1"}]},
        {"globals": [{"f32": 1e39}]},
        {"globals": [{"f64": 10**400}]},
        {"globals": [{"v128": -1}]},
        {"globals": [{"v128": 2**128}]},
        {"globals": [{"v128": [2**32]}]},
        {"globals": [{"v128": [0] * 5}]},
        {"globals": [{"externref": 1}]},
        {"globals": [{"i32": 0}] * 1001},
        {"canister_version": 2**64},
        {"canister_version": -1},
        {"canister_version": 1.5},
        {"global_timer": "active"},
        {"global_timer": {"active": -1}},
        {"source": {"stolen": None}},
        {"wasm_memory_size": 65_535},
        {"stable_memory_size": -65_536},
        {"wasm_module_size": 0},
        {"wasm_module_size": 100 * 2**20 + 1},
        {"wasm_chunk_store": [{"hash": [0] * 31}]},
        {"wasm_chunk_store": [{"hash": [0] * 32}] * 2},
        {"on_low_wasm_memory_hook_status": "Ready"},
    ],
    ids=str,
)
def test_icp_metadata_that_no_snapshot_has_is_refused(changes):
    with pytest.raises(BackupError):
        icp_with(**changes)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 1}',
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_what_is_no_strict_json_is_refused(data):
    for parse in (icp.parse_metadata, juno.parse_metadata):
        with pytest.raises(BackupError):
            parse(data, PLACE)


def change(path, value):
    def changed(document):
        *folders, last = path
        for folder in folders:
            document = document[folder]
        document[last] = value

    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["unknown"], 1),
        (["metadata", "unknown"], 1),
        (["data", "unknown"], None),
        (["data", "wasmModule", "unknown"], 1),
        (["data", "wasmModule"], None),
        (["data", "wasmModule", "filename"], "heap.bin"),
        (["data", "wasmModule", "filename"], "../outside.bin"),
        (["data", "wasmModule", "hash"], "00"),
        (["data", "wasmModule", "size"], 64),
        (["data", "wasmMemory", "size"], {"__bigint__": "1"}),
        (["data", "wasmChunkStore"], None),
        (["metadata", "globals"], [{"i64": 1}]),
        (["metadata", "globals"], [{"i64": {"__bigint__": "1x"}}]),
        (["metadata", "globals"], [{"i64": {"__bigint__": str(2**63)}}]),
        (["metadata", "globals"], [{"f64": None}]),
        (["metadata", "certifiedData"], [1]),
        (["metadata", "canisterVersion"], 7),
        (["metadata", "canisterVersion"], {"__bigint__": "-1"}),
        (["metadata", "source"], {}),
        (["metadata", "globalTimer"], {"active": 1}),
        (["snapshotId"], "zz"),
        (["snapshotId"], 5),
    ],
    ids=str,
)
def test_juno_metadata_that_its_schema_or_its_own_words_refuse(path, value):
    document = juno_document()
    change(path, value)(document)
    with pytest.raises(BackupError):
        juno_with(document)


def test_juno_leaves_out_what_is_not_known():
    metadata = replace(snapshot().metadata, global_timer=None, on_low_wasm_memory_hook_status=None)
    said = juno_document(metadata)["metadata"]
    assert not {"globalTimer", "onLowWasmMemoryHookStatus"} & set(said)
    assert juno_with(juno_document(metadata)).metadata == metadata


FULL = 1_000_000


@pytest.mark.parametrize(
    "sizes",
    [
        [5],
        [1_048_576],
        [FULL, FULL, 17],
        [FULL, 17, FULL],
        [17, FULL, FULL],
        [1_048_576, 3, 1_048_576],
        [4, 0, 9],
        [300, 2000, 1, 70_000],
    ],
    ids=str,
)
def test_chunks_are_found_in_junos_file_without_their_lengths(tmp_path, sizes):
    chunks = [noise(str(number), size) for number, size in enumerate(sizes)]
    (tmp_path / juno.CHUNKS_FILE).write_bytes(b"".join(chunks))
    hashes = [hashlib.sha256(each).digest() for each in chunks]
    found = locate_chunks(tmp_path, hashes, sum(sizes))
    assert [found[each][1] for each in hashes] == sizes
    with pytest.raises(BackupError):
        locate_chunks(tmp_path, [*hashes[:-1], bytes(32)], sum(sizes))
    (tmp_path / juno.CHUNKS_FILE).write_bytes(b"".join(chunks) + b"!")
    with pytest.raises(BackupError):
        locate_chunks(tmp_path, hashes, sum(sizes) + 1)


def test_juno_brings_back_only_chunks_that_it_would_have_cut_itself():
    assert survives_upload([])
    assert survives_upload([5])
    assert survives_upload([FULL, FULL, 5])
    assert survives_upload([FULL, FULL])
    assert not survives_upload([5, FULL])
    assert not survives_upload([FULL + 1])
    assert not survives_upload([FULL, 0])
