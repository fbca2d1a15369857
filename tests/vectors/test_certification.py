"""Hash trees, BLS signatures and certificates as others compute them.

Sources: the trees and what is found in them are the interface specification's own example
("Certification", "Example"). The root key of mainnet is published by agent-rs and agent-js; the
signature over a state root is that of the mainnet delegation in agent-rs, ``agent_test/
ivg37_time.bin``, and the leaf of canister ranges is from the same file. Signatures and public keys
of the secrets 1 and 00..1f were computed with noble curves (JavaScript), not with this library.
"""

import pytest

from juno_snap.ids import Principal
from juno_snap.wire import bls, cbor
from juno_snap.wire.certificate import decode_ranges
from juno_snap.wire.certificate_form import STATE_ROOT_SEPARATOR
from juno_snap.wire.hashtree import (
    Absent,
    Found,
    Unknown,
    check_well_formed,
    decode_tree,
    encode_tree,
    lookup,
    root_hash,
)

TREE = (
    "8301830183024161830183018302417882034568656c6c6f810083024179820345776f726c648302416282034467"
    "6f6f648301830241638100830241648203476d6f726e696e67"
)
PRUNED_TREE = (
    "83018301830241618301820458201b4feff9bef8131788b0c9dc6dbad6e81e524249c879e9f10f71ce3749f5a638"
    "83024179820345776f726c6483024162820458207b32ac0c6ba8ce35ac82c255fc7906f7fc130dab2a090f80fe12"
    "f9c2cae83ba6830182045820ec8324b8a1f1ac16bd2e806edba78006479c9877fed4eb464a25485465af601d8302"
    "41648203476d6f726e696e67"
)
TREE_ROOT = bytes.fromhex("eb5c5b2195e62d996b84c9bcc8259d19a83786a2f59e0878cec84c811f669aa0")

MAINNET_ROOT_KEY = bytes.fromhex(
    "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100814c0e6ec71fab583b"
    "08bd81373c255c3c371b2e84863c98a4f1e08b74235d14fb5d9c0cd546d9685f913a0c0b2cc5341583bf4b4392e4"
    "67db96d65b9bb4cb717112f8472e0d5a4d14505ffd7484b01291091c5f87b98883463f98091a0baaae"
)
MAINNET_STATE_ROOT = bytes.fromhex(
    "43e38245d0f5a7172d699757547107b42f9860e4e0e980694fbe046d93e6615f"
)
MAINNET_SIGNATURE = bytes.fromhex(
    "81efb4ead151353ff4d0315a4f3875f0f4a63ceb3232cd98c9e82acdb49b7a0d5ceb5e83640264638d4e941e87ae"
    "e1b3"
)


@pytest.mark.parametrize("encoded", [TREE, PRUNED_TREE], ids=["whole", "pruned"])
def test_root_hash_of_the_specification(encoded):
    value = cbor.decode(bytes.fromhex(encoded))
    tree = decode_tree(value)
    check_well_formed(tree)
    assert root_hash(tree) == TREE_ROOT
    assert encode_tree(tree) == value


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("a/a", Unknown()),
        ("a/y", Found(b"world")),
        ("aa", Absent()),
        ("ax", Absent()),
        ("b", Unknown()),
        ("bb", Unknown()),
        ("d", Found(b"morning")),
        ("e", Absent()),
    ],
)
def test_lookups_of_the_specification(path, answer):
    tree = decode_tree(cbor.decode(bytes.fromhex(PRUNED_TREE)))
    assert lookup(tree, [label.encode() for label in path.split("/")]) == answer


def test_signature_of_mainnet():
    key = bls.der_to_public_key(MAINNET_ROOT_KEY)
    assert bls.verify(key, MAINNET_SIGNATURE, STATE_ROOT_SEPARATOR + MAINNET_STATE_ROOT)
    assert not bls.verify(key, MAINNET_SIGNATURE, STATE_ROOT_SEPARATOR + TREE_ROOT)


def test_root_subnet_of_mainnet():
    subnet = Principal.self_authenticating(MAINNET_ROOT_KEY)
    assert str(subnet) == "tdb26-jop6k-aogll-7ltgs-eruif-6kk7m-qpktf-gdiqx-mxtrf-vb5e6-eqe"


def test_canister_ranges_of_mainnet():
    leaf = bytes.fromhex("d9d9f781824a000000000020000001014a00000000002fffff0101")
    low, high = (
        Principal(bytes.fromhex(f"{text}0101")) for text in ("0000000000200000", "00000000002fffff")
    )
    assert decode_ranges(leaf) == ((low, high),)


@pytest.mark.parametrize(
    ("secret", "public", "signature"),
    [
        pytest.param(
            bytes(31) + b"\x01",
            "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d05"
            "5d042b7e024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbef"
            "d48056c8c121bdb8",
            "a10a8c459b5436784712fcc1dbd4b5a38603358f668fb0fada4ae2e9d4f8d61885510ab65a1b8f3059874235"
            "72398855",
            id="one",
        ),
        pytest.param(
            bytes(range(32)),
            "a7290fc800d2d14f2dc5e5cb416bebf3267dfed1c6c3a79c6edc4ebd1e657d956daa06a2fcaafd42c94b65b3"
            "2d4d43ea1368f861006829c475b7d54763a502dfd717e9d51c5cc7deae2981e56090a821c9c5bcafc129b859"
            "9203ab99031f4ce7",
            "82a406d2dfd6f5da4a06416f1c756493471cf019325678ea447f61dab045ebd1f376f0bb7c08b5a4281a215f"
            "fbb7a907",
            id="counting",
        ),
    ],
)
def test_keys_and_signatures_of_another_implementation(secret, public, signature):
    message = STATE_ROOT_SEPARATOR + TREE_ROOT
    assert bls.public_key(secret).hex() == public
    assert bls.sign(secret, message).hex() == signature
    assert bls.verify(bytes.fromhex(public), bytes.fromhex(signature), message)
