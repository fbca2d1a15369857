"""The chunk store, and installing from it."""

from hashlib import sha256

import pytest

from juno_snap.wire.candid import Tagged
from tests.replica.subnet_world import (
    ALICE,
    BOB,
    INSTALL,
    NOWHERE,
    REINSTALL,
    module,
    new_world,
    refused,
)

STORE_ERROR = "Error from Wasm chunk store: "


def upload(world, canister, chunk, sender=ALICE):
    uploaded = world.manage("upload_chunk", sender, canister_id=canister, chunk=chunk)
    return uploaded["hash"]


def stored(world, canister):
    hashes = world.manage("stored_chunks", canister_id=canister)
    return [each["hash"] for each in hashes]


def install_chunks(world, canister, hashes, module_hash, sender=ALICE, **fields):
    world.manage(
        "install_chunked_code",
        sender,
        target_canister=canister,
        chunk_hashes_list=[{"hash": each} for each in hashes],
        wasm_module_hash=module_hash,
        **{"mode": INSTALL, "arg": b"", **fields},
    )


def test_chunks_are_kept_by_their_hash_in_the_order_of_hashes():
    world = new_world()
    canister = world.create()
    digests = [upload(world, canister, chunk) for chunk in (b"one", b"two", b"three")]
    assert digests[0] == sha256(b"one").digest()
    assert stored(world, canister) == sorted(digests)


def test_a_known_chunk_changes_nothing():
    world = new_world()
    canister = world.create()
    assert upload(world, canister, b"one") == upload(world, canister, b"one")
    assert len(stored(world, canister)) == 1


def test_clearing_forgets_all_chunks():
    world = new_world()
    canister = world.create()
    upload(world, canister, b"one")
    world.manage("clear_chunk_store", canister_id=canister)
    assert stored(world, canister) == []


def test_each_chunk_counts_as_a_whole_mebibyte():
    world = new_world()
    canister = world.create()
    upload(world, canister, b"one")
    metrics = world.manage("canister_status", canister_id=canister)["memory_metrics"]
    assert metrics["wasm_chunk_store_size"] == 1_048_576


def test_a_chunk_that_is_too_large_is_refused():
    world = new_world()
    canister = world.create()
    upload(world, canister, bytes(1_048_576))
    reject = refused(lambda: upload(world, canister, bytes(1_048_577)))
    assert (reject.error_code, reject.message) == (
        "IC0504",
        f"{STORE_ERROR}Wasm chunk size 1048577 exceeds the maximum chunk size of 1048576.",
    )


def test_a_full_store_takes_only_what_it_has():
    world = new_world()
    canister = world.create()
    for number in range(100):
        upload(world, canister, bytes([number]))
    upload(world, canister, b"\0")
    reject = refused(lambda: upload(world, canister, b"one more"))
    assert (reject.error_code, reject.message) == (
        "IC0504",
        f"{STORE_ERROR}Wasm chunk store has already reached maximum capacity of 104857600 bytes.",
    )


def test_code_is_installed_from_chunks_and_the_chunks_stay():
    world = new_world()
    canister, wasm = world.create(), module()
    hashes = [upload(world, canister, wasm[:500]), upload(world, canister, wasm[500:])]
    install_chunks(world, canister, hashes, sha256(wasm).digest())
    world.call(canister, "bump")
    assert world.state_of(canister).module_hash == sha256(wasm).digest()
    assert len(stored(world, canister)) == 2


def test_the_chunks_of_another_canister_can_be_used_by_its_controller():
    world = new_world()
    canister, store, wasm = world.create(), world.create(), module()
    digest = upload(world, store, wasm)
    install_chunks(world, canister, [digest], sha256(wasm).digest(), store_canister=store)
    assert world.query(canister, "read") == b"\0\0\0\7"


def test_the_chunks_of_a_strangers_canister_cannot_be_used():
    world = new_world()
    canister, store, wasm = world.create(), world.create(BOB), module()
    digest = upload(world, store, wasm, BOB)
    reject = refused(
        lambda: install_chunks(
            world, canister, [digest], sha256(wasm).digest(), store_canister=store
        )
    )
    assert reject.error_code == "IC0512"
    assert f"Only the controllers of the canister {store} can control it." in reject.message


def test_the_chunks_of_no_canister_cannot_be_used():
    world = new_world()
    canister = world.create()
    reject = refused(lambda: install_chunks(world, canister, [], bytes(32), store_canister=NOWHERE))
    assert (reject.error_code, reject.message) == ("IC0301", f"Canister {NOWHERE} not found")


WASM = module()


@pytest.mark.parametrize(
    ("hashes", "module_hash", "text"),
    [
        pytest.param([b"short"], bytes(32), "Chunk hash is invalid. The length is not 32", id="s"),
        pytest.param([bytes(32)], bytes(32), f"Chunk hash {[0] * 32} was not found", id="missing"),
        pytest.param(
            [sha256(WASM).digest()],
            bytes(32),
            f"Wasm module hash {list(sha256(WASM).digest())} does not match given hash {[0] * 32}",
            id="other module",
        ),
    ],
)
def test_chunks_that_do_not_make_the_module_are_refused(hashes, module_hash, text):
    world = new_world()
    canister = world.create()
    upload(world, canister, WASM)
    reject = refused(lambda: install_chunks(world, canister, hashes, module_hash))
    assert (reject.error_code, reject.message) == ("IC0504", f"{STORE_ERROR}{text}.")
    assert world.state_of(canister).code is None


def test_a_module_hash_of_another_length_is_refused():
    world = new_world()
    canister = world.create()
    reject = refused(lambda: install_chunks(world, canister, [], b"\1\2"))
    assert (reject.error_code, reject.message) == ("IC0504", "Invalid wasm hash [1, 2]")


def test_chunks_do_not_get_around_the_check_for_code():
    world = new_world()
    canister = world.running(WASM)
    digest = upload(world, canister, WASM)
    reject = refused(lambda: install_chunks(world, canister, [digest], sha256(WASM).digest()))
    assert reject.error_code == "IC0514"
    install_chunks(world, canister, [digest], sha256(WASM).digest(), mode=REINSTALL)
    install_chunks(world, canister, [digest], sha256(WASM).digest(), mode=Tagged("upgrade", None))
