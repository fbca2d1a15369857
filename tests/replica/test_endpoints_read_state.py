"""Certified reads: what is shown, what is proven absent, and who may see it."""

import time

import pytest

from juno_snap.errors import TrustError
from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.keys import keys_from_seed
from juno_snap.replica.state import CANISTER_RANGES
from juno_snap.wire import cbor
from juno_snap.wire.certificate import SubnetScope, decode_certificate, verify_certificate
from juno_snap.wire.hashtree import Absent, Found, Unknown, labels
from juno_snap.wire.leb128 import decode_natural
from juno_snap.wire.request_status import Replied
from tests.replica import requests
from tests.replica.client import NOWHERE, wasm
from tests.replica.requests import ALICE, BOB, MINUTE_NS

KEYS = keys_from_seed("tests")
UNKNOWN_REQUEST = b"\x07" * 32


def status_path(content, *rest):
    return (b"request_status", content.request_id(), *rest)


@pytest.fixture(scope="module")
def called(client, canister):
    """A call of Alice's that has been executed."""
    content = client.call_content(canister, "echo", b"hello")
    assert client.outcome(client.post_call(content), content) == Replied(b"hello")
    return content


@pytest.mark.parametrize("version", [2, 3])
def test_every_certificate_shows_the_time(client, canister, version):
    before_ns = time.time_ns()
    verified = client.read(canister, version=version)
    assert before_ns <= verified.time_ns <= time.time_ns()
    assert labels(verified.tree) == [b"time"]


def test_times_never_go_back(client, canister):
    times = [client.read(canister, (b"time",)).time_ns for _ in range(5)]
    assert times == sorted(times)


def test_a_certificate_is_signed_by_the_root_key_without_a_delegation(client, canister):
    answer = client.post_read(canister, (b"time",))
    certificate = cbor.decode_map(answer.content)["certificate"]
    assert decode_certificate(certificate).delegation is None
    other = keys_from_seed("other").root_key_der
    with pytest.raises(TrustError) as caught:
        verify_certificate(
            certificate,
            root_key=other,
            scope=SubnetScope(Principal.self_authenticating(other)),
            now_ns=time.time_ns(),
        )
    assert caught.value.code == "certificate-signature"


def test_the_module_of_a_canister_is_certified(client, canister):
    path = (b"canister", canister.raw)
    leaves = (
        b"module_hash", b"controllers", b"canister_creation_timestamp", b"last_install_timestamp",
    )  # fmt: skip
    verified = client.read(canister, *((*path, leaf) for leaf in leaves))
    shown = {leaf: verified.find((*path, leaf), leaf.decode()) for leaf in leaves}
    assert len(shown[b"module_hash"]) == 32
    assert cbor.decode(shown[b"controllers"]) == [ALICE.principal.raw]
    created_ns = decode_natural(shown[b"canister_creation_timestamp"])
    assert created_ns < decode_natural(shown[b"last_install_timestamp"]) <= verified.time_ns


def test_an_empty_canister_has_provably_no_module(client):
    canister = client.create()
    path = (b"canister", canister.raw)
    verified = client.read(
        canister, (*path, b"module_hash"), (*path, b"last_install_timestamp"),
        (*path, b"metadata", b"shown"), (*path, b"controllers"),
    )  # fmt: skip
    assert verified.lookup((*path, b"module_hash")) == Absent()
    assert verified.lookup((*path, b"last_install_timestamp")) == Absent()
    assert verified.lookup((*path, b"metadata", b"shown")) == Absent()
    assert isinstance(verified.lookup((*path, b"controllers")), Found)


def test_a_canister_that_does_not_exist_is_provably_absent(client):
    path = (b"canister", NOWHERE.raw, b"module_hash")
    assert client.read(NOWHERE, path).lookup(path) == Absent()


def test_changes_are_certified_at_once(client):
    canister = client.create("face")
    path = (b"canister", canister.raw, b"module_hash")
    before = client.read(canister, path).find(path, "the hash")
    client.install(canister, wasm("hooks"), "reinstall")
    after = client.read(canister, path).find(path, "the hash")
    assert before != after
    client.manage("uninstall_code", canister, canister_id=canister)
    assert client.read(canister, path).lookup(path) == Absent()
    client.manage("stop_canister", canister, canister_id=canister)
    client.manage("delete_canister", canister, canister_id=canister)
    controllers = (b"canister", canister.raw, b"controllers")
    assert client.read(canister, controllers).lookup(controllers) == Absent()


@pytest.mark.parametrize("key", [None, ALICE, BOB], ids=["anonymous", "controller", "stranger"])
def test_everybody_may_read_public_metadata(client, canister, key):
    path = (b"canister", canister.raw, b"metadata", b"shown")
    with client.as_(key) as reader:
        assert reader.read(canister, path).find(path, "it") == b"for everybody"


def test_only_controllers_may_read_private_metadata(client, canister):
    path = (b"canister", canister.raw, b"metadata", b"hidden")
    assert client.read(canister, path).find(path, "it") == b"for controllers"
    for key in (None, BOB):
        with client.as_(key) as stranger:
            answer = stranger.post_read(canister, path)
            assert answer.status_code == 403
            assert answer.text == (
                "Custom section hidden can only be requested by the controllers of the canister."
            )


def test_missing_metadata_is_proven_absent_without_showing_private_content(client, canister):
    path = (b"canister", canister.raw, b"metadata", b"hidd")
    with client.as_(BOB) as stranger:
        verified = stranger.read(canister, path)
    assert verified.lookup(path) == Absent()
    assert verified.lookup((*path[:3], b"hidden")) == Unknown()
    assert b"for controllers" not in repr(verified.tree).encode()


def test_a_name_of_metadata_has_to_be_text(client, canister):
    answer = client.post_read(canister, (b"canister", canister.raw, b"metadata", b"\xff"))
    assert answer.status_code == 400
    assert answer.text.startswith("Could not parse the custom section name: ")


def test_the_caller_may_follow_its_call(client, canister, called):
    verified = client.read(canister, status_path(called))
    assert verified.find(status_path(called, b"status"), "it") == b"replied"
    assert verified.find(status_path(called, b"reply"), "it") == b"hello"


def test_nobody_else_may(client, canister, called):
    for key in (None, BOB):
        with client.as_(key) as other:
            answer = other.post_read(canister, status_path(called, b"status"))
            assert answer.status_code == 403
            assert answer.text == ("The user tries to access Request ID not signed by the caller.")


def test_a_call_can_be_followed_at_its_own_address_only(client, called):
    answer = client.post_read(NOWHERE, status_path(called))
    assert answer.status_code == 403
    assert str(NOWHERE) in answer.text


@pytest.mark.parametrize("key", [None, BOB], ids=["anonymous", "signed"])
def test_an_unknown_request_is_provably_absent_for_anybody(client, canister, key):
    path = (b"request_status", UNKNOWN_REQUEST, b"status")
    with client.as_(key) as reader:
        assert reader.read(canister, path).lookup(path) == Absent()


def test_absence_hides_what_became_of_other_requests(client, canister, called):
    verified = client.read(canister, (b"request_status", UNKNOWN_REQUEST))
    assert b"hello" not in repr(verified.tree).encode()
    shown = verified.lookup_subtree((b"request_status",))
    assert len(labels(shown.tree)) <= 2
    assert not isinstance(verified.lookup(status_path(called, b"reply")), Found)


def test_one_request_at_a_time(client, canister, called):
    same = client.post_read(canister, status_path(called), status_path(called, b"reply"))
    assert same.status_code == 200
    both = client.post_read(canister, status_path(called), (b"request_status", UNKNOWN_REQUEST))
    assert both.status_code == 400
    assert both.text.startswith("More than one non-unique request ID")


def test_a_request_id_has_32_bytes(client, canister):
    answer = client.post_read(canister, (b"request_status", b"short"))
    assert answer.status_code == 400
    assert "not of 32 bytes" in answer.text


def test_a_delegation_for_other_canisters_cannot_follow_a_call(client, canister, called):
    def answer(target):
        expiry_ns = client.expiry_ns()
        content = requests.read_state(
            status_path(called), sender=ALICE.principal, expiry_ns=expiry_ns
        )
        chain = [ALICE.delegate(BOB, expires_at_ns=expiry_ns + MINUTE_NS, targets=(target,))]
        body = requests.body(content, ALICE, delegations=chain, signer=BOB)
        return client.post("read_state", canister, body, version=3)

    assert answer(canister).status_code == 200
    refused = answer(NOWHERE)
    assert refused.status_code == 403
    assert "not belonging to sender delegation targets" in refused.text


@pytest.mark.parametrize(
    "path",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"nonsense",), id="no such root"),
        pytest.param((b"time", b"more"), id="below the time"),
        pytest.param((b"canister",), id="all canisters"),
        pytest.param((b"canister", NOWHERE.raw), id="all of a canister"),
        pytest.param((b"canister", NOWHERE.raw, b"certified_data"), id="certified data"),
        pytest.param((b"canister", NOWHERE.raw, b"metadata"), id="all metadata"),
        pytest.param((b"request_status",), id="all requests"),
        pytest.param((b"request_status", UNKNOWN_REQUEST, b"other"), id="no such status leaf"),
        pytest.param((b"canister_ranges", KEYS.subnet_id.raw), id="ranges at a canister"),
        pytest.param((b"subnet", KEYS.subnet_id.raw, b"metrics"), id="metrics at a canister"),
        pytest.param((b"subnet", KEYS.subnet_id.raw, b"other"), id="no such subnet leaf"),
        pytest.param((b"subnet", NOWHERE.raw, b"canister_ranges"), id="ranges of no root subnet"),
        pytest.param((b"api_boundary_nodes", b"x", b"other"), id="no such boundary leaf"),
    ],
)
def test_other_paths_are_not_there(client, path):
    answer = client.post_read(NOWHERE, path)
    assert (answer.status_code, answer.text) == (404, "Invalid path requested.")


def test_a_path_has_to_be_of_the_canister_in_the_address(client, canister):
    answer = client.post_read(NOWHERE, (b"canister", canister.raw, b"module_hash"))
    assert answer.status_code == 400
    assert answer.text == (
        f"Effective principal id in URL {NOWHERE} does not match requested principal id: "
        f"{canister}."
    )


def test_a_label_that_is_too_long_for_a_principal_is_refused(client, canister):
    answer = client.post_read(canister, (b"canister", bytes(30), b"module_hash"))
    assert answer.status_code == 400
    assert answer.text.startswith("Could not parse principal ID")


def test_a_thousand_paths_and_no_more(client, canister):
    def answer(count):
        return client.post_read(canister, *[(b"time",)] * count)

    assert answer(1000).status_code == 200
    assert answer(1001).status_code == 400


def test_the_subnet_is_the_root_subnet(client):
    path = (b"subnet", KEYS.subnet_id.raw)
    verified = client.read(MANAGEMENT_CANISTER, (b"subnet",))
    assert verified.find((*path, b"public_key"), "its key") == client.replica.root_key
    assert verified.find((*path, b"type"), "its type") == b"application"
    node = (*path, b"node", KEYS.node_id.raw, b"public_key")
    assert verified.find(node, "the node's key") == KEYS.node_key_der
    ranges = cbor.decode(verified.find((*path, b"canister_ranges"), "its ranges"))
    assert ranges == [[first.raw, last.raw] for first, last in CANISTER_RANGES]


def test_every_id_that_is_handed_out_lies_in_the_ranges(client):
    canister = client.create()
    assert any(first.raw <= canister.raw <= last.raw for first, last in CANISTER_RANGES)


@pytest.mark.parametrize("version", [2, 3])
def test_the_subnets_own_address_shows_its_ranges(client, version):
    path = (b"canister_ranges", KEYS.subnet_id.raw)
    answer = client.post_read(KEYS.subnet_id, path, (b"time",), version=version, scope="subnet")
    assert answer.status_code == 200
    verified = verify_certificate(
        cbor.decode_map(answer.content)["certificate"],
        root_key=client.replica.root_key,
        scope=SubnetScope(KEYS.subnet_id),
        now_ns=time.time_ns(),
    )
    shard = verified.find((*path, CANISTER_RANGES[0][0].raw), "the shard")
    assert cbor.decode(shard) == [[first.raw, last.raw] for first, last in CANISTER_RANGES]


def test_the_subnets_address_shows_no_canister(client, canister):
    path = (b"canister", canister.raw, b"module_hash")
    assert client.post_read(KEYS.subnet_id, path, scope="subnet").status_code == 404


def test_one_subnets_ranges_at_a_time(client):
    paths = [(b"canister_ranges", KEYS.subnet_id.raw), (b"canister_ranges", NOWHERE.raw)]
    answer = client.post_read(KEYS.subnet_id, *paths, scope="subnet")
    assert answer.status_code == 400
    assert answer.text.startswith("More than one subnet ID")


def test_another_subnet_is_not_here(client):
    answer = client.post_read(NOWHERE, (b"time",), scope="subnet")
    assert answer.status_code == 400
    assert "does not match the subnet ID of this node" in answer.text


def test_a_call_can_be_followed_at_the_subnet_since_version_3(client, called):
    path = status_path(called)
    assert client.post_read(KEYS.subnet_id, path, version=3, scope="subnet").status_code == 200
    assert client.post_read(KEYS.subnet_id, path, version=2, scope="subnet").status_code == 404


def test_a_read_has_to_be_signed_by_its_sender(client, canister):
    content = requests.read_state((b"time",), sender=ALICE.principal, expiry_ns=client.expiry_ns())
    unsigned = client.post("read_state", canister, requests.body(content), version=3)
    assert unsigned.status_code == 400
    assert unsigned.text == f"Missing signature from user: {ALICE.principal}"
