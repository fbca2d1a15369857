"""The platform's command line, icp: snapshots to disk and back, large modules, settings, projects.

What it cannot at this replica: ``create`` and ``top-up`` want the network's cycles canisters, and
``delete`` those too unless the cycles are left behind.
"""

import hashlib
import json
import os
import subprocess

import pytest

from juno_snap.errors import RejectedError
from juno_snap.ids import SnapshotId
from tests.azle import rust_module
from tests.interop.store import OWNER, Store
from tests.motoko import motoko_module, require_npm_packages

pytestmark = [pytest.mark.interop, pytest.mark.anyio]


@pytest.fixture
def program(tmp_path):
    """The program, with the owner's key as the identity "owner", in an empty folder."""
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
    return run


@pytest.fixture
def icp(program, replica):
    """``icp canister ...`` at the replica, whose root key it is told."""
    network = ["--network", replica.url, "--root-key", replica.root_key.hex()]
    return lambda *arguments: program("canister", *arguments, *network, "--identity", "owner")


async def test_a_snapshot_goes_to_disk_and_comes_back(icp, client, store, tmp_path):
    await store.write("key", "on disk")
    chunk = await client.upload_chunk(store.id, b"staged")
    taken = await store.take()
    folder = tmp_path / "snapshot"
    icp("snapshot", "download", store.id, taken.id, "--output", folder)

    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    ours = await client.read_canister_snapshot_metadata(store.id, taken.id)
    assert [one["i64"] for one in metadata["globals"]] == [one.value for one in ours.globals]
    assert metadata["taken_at_timestamp"] == taken.taken_at_ns
    assert metadata["source"] == {"taken_from_canister": None}
    wasm = (folder / "wasm_module.bin").read_bytes()
    assert hashlib.sha256(wasm).digest() == await client.module_hash(store.id)
    assert (folder / "wasm_memory.bin").stat().st_size == ours.wasm_memory_bytes
    assert (folder / "wasm_chunk_store" / f"{chunk.hex()}.bin").read_bytes() == b"staged"

    other = Store(client, await client.provisional_create_canister())
    said = json.loads(icp("snapshot", "upload", other.id, "--input", folder, "--json"))
    (uploaded,) = await client.list_canister_snapshots(other.id)
    assert SnapshotId.parse(said["snapshot_id"]) == uploaded.id
    await client.stop_canister(other.id)
    icp("snapshot", "restore", other.id, uploaded.id)
    await client.start_canister(other.id)
    assert (await other.version(), await other.read("key")) == ("1", "on disk")
    assert await client.stored_chunks(other.id) == (chunk,)
    await other.write("key", "goes on")
    assert await other.read("key") == "goes on"
    assert await store.read("key") == "on disk"


async def test_an_upload_replaces_a_snapshot(icp, client, store, tmp_path):
    await store.write("key", "first")
    taken = await store.take()
    folder = tmp_path / "snapshot"
    icp("snapshot", "download", store.id, taken.id, "--output", folder)
    await store.write("key", "second")
    replaced = icp(
        "snapshot", "upload", store.id, "--input", folder, "--quiet", "--replace", taken.id
    )
    (left,) = await client.list_canister_snapshots(store.id)
    assert left.id == SnapshotId.parse(replaced.strip())
    assert left.id != taken.id
    await store.load(left.id)
    assert await store.read("key") == "first"


async def test_a_module_above_two_megabytes_is_installed_and_upgraded(icp, client, tmp_path):
    store = Store(client, await client.provisional_create_canister())
    for version, mode in (("1", "install"), ("2", "upgrade")):
        wasm = tmp_path / f"store_v{version}.wasm"
        wasm.write_bytes(rust_module(wasm.stem))
        icp("install", store.id, "--mode", mode, "--wasm", wasm, "--args", "()", "--yes")
        assert await client.module_hash(store.id) == hashlib.sha256(wasm.read_bytes()).digest()
        assert await store.version() == version
        await store.write(version, "kept")
    assert [await store.read(version) for version in "12"] == ["kept", "kept"]
    assert (await client.canister_status(store.id)).status == "running"
    assert await client.stored_chunks(store.id) == ()


async def test_an_upgrade_keeps_a_persistent_heap(icp, client, store, tmp_path):
    wasm = tmp_path / "store_v2.wasm"
    wasm.write_bytes(motoko_module("store_v2"))
    await store.write("key", "kept")
    icp("install", store.id, "--wasm", wasm, "--args", "()", "--yes")
    assert (await store.version(), await store.read("key")) == ("2", "kept")


async def test_metadata(icp, client, store):
    for name in ("candid:service", "motoko:stable-types", "enhanced-orthogonal-persistence"):
        shown = json.loads(icp("metadata", store.id, name, "--json"))
        assert shown["value"] == (await client.metadata(store.id, name)).decode(), name


async def test_settings(icp, client, store):
    icp(
        *("settings", "update", store.id, "--force", "--freezing-threshold", "30d"),
        *("--wasm-memory-limit", "2gib", "--log-visibility", "public"),
        *("--add-controller", store.id, "--add-environment-variable", "STAGE=test"),
    )
    settings = (await client.canister_status(store.id)).settings
    assert settings.freezing_threshold_seconds == 30 * 86_400
    assert settings.wasm_memory_limit_bytes == 2 * 1024**3
    assert settings.log_visibility == "public"
    assert set(settings.controllers) == {OWNER.principal, store.id}
    assert settings.environment_variables == {"STAGE": "test"}
    shown = json.loads(icp("settings", "show", store.id, "--json"))
    assert set(shown["controllers"]) == {str(OWNER.principal), str(store.id)}
    assert shown["freezing_threshold"] == [30 * 86_400]
    assert shown["log_visibility"] == "public"


async def test_logs(icp, store):
    with pytest.raises(RejectedError):
        await store.write_and_trap("key", "lost")
    (line,) = json.loads(icp("logs", store.id, "--json"))["log_records"]
    assert "assertion failed" in line["content"]


async def test_status_as_a_controller_and_in_public(icp, client, store):
    shown = json.loads(icp("status", store.id, "--json"))
    public = json.loads(icp("status", store.id, "--json", "--public"))
    module_hash = (await client.module_hash(store.id)).hex()
    for one in (shown, public):
        assert (one["id"], one["module_hash"]) == (str(store.id), f"0x{module_hash}")
        assert str(OWNER.principal) in json.dumps(one)
    assert shown["status"] == "Running"


async def test_a_module_is_deleted(icp, client, store):
    await client.stop_canister(store.id)
    icp("delete", store.id, "--no-recover-cycles")
    assert not (await client.canister_info(store.id)).exists


async def test_a_call_that_was_signed_without_a_network_is_sent_later(
    program, icp, store, tmp_path
):
    interface = await store.client.metadata(store.id, "candid:service")
    tmp_path.joinpath("store.did").write_bytes(interface)
    call = ("call", store.id, "set_document", '("key", "signed")', "--candid", "store.did")
    icp(*call, "--sign-only", "message.json")
    assert await store.read("key") is None
    program("message", "send", "message.json")
    assert await store.read("key") == "signed"


PROJECT = """
canisters:
  - name: store
    build: {steps: [{type: pre-built, path: store_v2.wasm}]}
    settings: {environment_variables: {STAGE: deployed}, freezing_threshold: 31d}
networks:
  - {name: here, mode: connected, url: "URL", root-key: ROOT_KEY}
environments:
  - {name: test, network: here, canisters: [store]}
"""


async def test_a_project_is_deployed_to_a_canister_that_it_is_linked_to(
    program, replica, client, store, tmp_path
):
    await store.write("key", "kept")
    wasm = tmp_path / "store_v2.wasm"
    wasm.write_bytes(motoko_module(wasm.stem))
    project = PROJECT.replace("URL", replica.url).replace("ROOT_KEY", replica.root_key.hex())
    tmp_path.joinpath("icp.yaml").write_text(project, encoding="utf-8")
    program("canister", "link", "store", store.id, "--environment", "test")
    program("deploy", "--environment", "test", "--identity", "owner", "--yes")
    assert (await store.version(), await store.read("key")) == ("2", "kept")
    settings = (await client.canister_status(store.id)).settings
    assert settings.freezing_threshold_seconds == 31 * 86_400
    assert settings.environment_variables["STAGE"] == "deployed"
    assert settings.environment_variables["PUBLIC_CANISTER_ID:store"] == str(store.id)
