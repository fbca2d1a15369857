"""``backup create`` and ``backup restore`` beside the platform's icp, over the network."""

import hashlib
import json

import pytest

from juno_snap.backup.layout import FILES, METADATA
from juno_snap.backup.reader import open_backup
from tests.bench.transfer import Tools
from tests.interop.store import OWNER, Store

pytestmark = [pytest.mark.interop, pytest.mark.anyio]


@pytest.fixture
def tools(replica, tmp_path):
    """Both programs, with the owner's key."""
    both = Tools(replica=replica, folder=tmp_path, owner=OWNER)
    both.import_key()
    return both


@pytest.fixture
async def other(client):
    """A module that is empty."""
    return Store(client, await client.provisional_create_canister())


@pytest.fixture
async def full(client, store):
    """A module in Motoko with a document and a staged chunk."""
    await store.write("key", "on disk")
    await client.upload_chunk(store.id, b"staged")
    return store


async def has_what_was_backed_up(client, store):
    await client.start_canister(store.id)
    assert (await store.version(), await store.read("key")) == ("1", "on disk")
    assert await client.stored_chunks(store.id) == (hashlib.sha256(b"staged").digest(),)


async def test_icp_restores_what_backup_create_made(tools, client, full, other, tmp_path):
    tools.ours("backup", "create", "--module", full.id, "-o", "ours")
    tools.icp("upload", other.id, "--input", "ours")
    (uploaded,) = await client.list_canister_snapshots(other.id)
    await client.stop_canister(other.id)
    tools.icp("restore", other.id, uploaded.id)
    await has_what_was_backed_up(client, other)
    tools.ours("backup", "verify", "ours")


async def test_backup_restore_takes_what_icp_downloaded(tools, client, full, other, tmp_path):
    tools.ours("backup", "create", "--module", full.id, "-o", "ours")
    (taken,) = await client.list_canister_snapshots(full.id)
    tools.icp("download", full.id, taken.id, "--output", "theirs")
    ours, theirs = (open_backup(tmp_path / each) for each in ("ours", "theirs"))
    assert theirs.layout == "icp"
    for name in FILES.values():
        assert (ours.path / name).read_bytes() == (theirs.path / name).read_bytes(), name
    read = [json.loads((each.path / METADATA).read_bytes()) for each in (ours, theirs)]
    assert read[0] == read[1]
    words = ("--against-chain", "--snapshot", taken.id, "--module", full.id)
    tools.ours("backup", "verify", "theirs", *words)
    tools.ours("backup", "restore", "theirs", "--module", other.id, "--yes")
    await has_what_was_backed_up(client, other)


async def test_what_backup_restore_uploaded_icp_downloads_as_it_was(
    tools, client, full, other, tmp_path
):
    tools.ours("backup", "create", "--module", full.id, "-o", "juno", "--format", "juno")
    tools.ours("snapshot", "upload", "juno", "--module", other.id)
    (uploaded,) = await client.list_canister_snapshots(other.id)
    tools.icp("download", other.id, uploaded.id, "--output", "back")
    (taken,) = await client.list_canister_snapshots(full.id)
    tools.icp("download", full.id, taken.id, "--output", "first")
    for name in FILES.values():
        copies = [(tmp_path / each / name).read_bytes() for each in ("first", "back")]
        assert copies[0] == copies[1], name
    first, back = (open_backup(tmp_path / each).description.metadata for each in ("first", "back"))
    assert (first.globals, first.certified_data, first.wasm_chunk_store) == (
        *(back.globals, back.certified_data, back.wasm_chunk_store),
    )
