"""The platform's command line, icp, beside our directory: each restores what the other fetched."""

import hashlib
import json
import os
import subprocess

import pytest

from juno_snap.backup.convert import convert_backup
from juno_snap.backup.layout import FILES, METADATA
from juno_snap.backup.model import Description, Global, GlobalTimer, Metadata
from juno_snap.backup.reader import open_backup
from juno_snap.backup.verify import verify_backup
from juno_snap.backup.writer import BackupWriter
from juno_snap.ids import SnapshotId
from tests.interop.store import OWNER, Store
from tests.motoko import require_npm_packages

pytestmark = [pytest.mark.interop, pytest.mark.anyio]


@pytest.fixture
def icp(replica, tmp_path):
    """``icp canister snapshot ...`` at the replica, with the owner's key."""
    place = require_npm_packages() / "@icp-sdk" / "icp-cli-linux-x64" / "bin" / "icp"
    key = tmp_path / "owner.pem"
    key.write_bytes(OWNER.to_pem())

    def run(*arguments):
        ran = subprocess.run(
            [place, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "DO_NOT_TRACK": "1", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, f"{arguments}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    run("identity", "import", "owner", "--from-pem", key, "--storage", "plaintext")
    network = ["--network", replica.url, "--root-key", replica.root_key.hex()]
    return lambda *words: run("canister", "snapshot", *words, *network, "--identity", "owner")


def metadata_of(seen) -> Metadata:
    """What the network says of a snapshot, as a backup has it."""
    timer = seen.global_timer
    return Metadata(
        source=seen.source,
        taken_at_ns=seen.taken_at_ns,
        wasm_module_bytes=seen.wasm_module_bytes,
        globals=tuple(Global(each.kind, each.value) for each in seen.globals),
        wasm_memory_bytes=seen.wasm_memory_bytes,
        stable_memory_bytes=seen.stable_memory_bytes,
        wasm_chunk_store=seen.wasm_chunk_store,
        canister_version=seen.canister_version,
        certified_data=seen.certified_data,
        global_timer=timer and GlobalTimer(timer.active_at_ns),
        on_low_wasm_memory_hook_status=seen.on_low_wasm_memory_hook_status,
    )


async def fetch(client, module, snapshot, directory):
    """A backup of ours, slice by slice."""
    seen = await client.read_canister_snapshot_metadata(module, snapshot)
    description = Description(module=module, snapshot=snapshot, metadata=metadata_of(seen))
    with BackupWriter(directory, description) as writer:
        for each in writer.missing():
            data = await client.read_canister_snapshot_data(
                module, snapshot, part=each.part, offset_bytes=each.offset, size_bytes=each.size
            )
            writer.write_slice(each.part, each.offset, data)
        for chunk in writer.missing_chunks():
            data = await client.read_canister_snapshot_chunk(module, snapshot, chunk)
            writer.write_chunk(chunk, data)
        writer.finish()


@pytest.fixture
async def taken(client, store):
    """A snapshot of a module with a document and a staged chunk."""
    await store.write("key", "on disk")
    await client.upload_chunk(store.id, b"staged")
    return await store.take()


async def test_both_fetch_the_same(icp, client, store, taken, tmp_path):
    await fetch(client, store.id, taken.id, tmp_path / "ours")
    icp("download", store.id, taken.id, "--output", tmp_path / "theirs")
    assert verify_backup(tmp_path / "theirs").is_sound
    ours, theirs = open_backup(tmp_path / "ours"), open_backup(tmp_path / "theirs")
    assert theirs.layout == "icp"
    assert theirs.description.metadata == ours.description.metadata
    for name in FILES.values():
        assert (ours.path / name).read_bytes() == (theirs.path / name).read_bytes()
    staged = hashlib.sha256(b"staged").digest()
    assert ours.chunk(staged) == theirs.chunk(staged) == b"staged"
    read = [json.loads((each.path / METADATA).read_bytes()) for each in (ours, theirs)]
    assert read[0] == read[1]
    assert list(read[0]) == list(read[1])


@pytest.mark.parametrize("way", [[], ["icp"], ["juno", "icp"]], ids="-".join)
async def test_icp_restores_our_backup(icp, client, store, taken, tmp_path, way):
    directory = tmp_path / "ours"
    await fetch(client, store.id, taken.id, directory)
    for to in way:
        convert_backup(directory, tmp_path / to, to=to)
        directory = tmp_path / to
    other = Store(client, await client.provisional_create_canister())
    said = json.loads(icp("upload", other.id, "--input", directory, "--json"))
    await client.stop_canister(other.id)
    icp("restore", other.id, said["snapshot_id"])
    await client.start_canister(other.id)
    assert (await other.version(), await other.read("key")) == ("1", "on disk")
    assert await client.stored_chunks(other.id) == (hashlib.sha256(b"staged").digest(),)
    assert SnapshotId.parse(said["snapshot_id"]) != taken.id
    assert verify_backup(directory).is_sound
