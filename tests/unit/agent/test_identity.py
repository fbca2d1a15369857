"""Keys: which are read, what they sign, what is refused, and that they stay private."""

import base64
import copy
import pickle

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.agent.identity import (
    KeyIdentity,
    anonymous,
    generate_ed25519,
    load_pem,
)
from juno_snap.agent.pem import CURVE_ORDERS
from juno_snap.agent.signing import sign_request
from juno_snap.errors import IdentityError
from juno_snap.ids import ANONYMOUS, Principal
from juno_snap.wire.envelope import CallContent, decode_envelope
from juno_snap.wire.signature import verify

SEED = bytes(range(32))
PKCS8 = serialization.PrivateFormat.PKCS8
SEC1 = serialization.PrivateFormat.TraditionalOpenSSL
PEM = serialization.Encoding.PEM
CURVES = {"secp256k1": ec.SECP256K1(), "secp256r1": ec.SECP256R1()}


def pem(label, der):
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


# RFC 8410, section 10.3: the same key without and with its public half (and an attribute).
RFC_8410_PLAIN = pem(
    "PRIVATE KEY",
    base64.b64decode("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"),
)
RFC_8410_WITH_PUBLIC_KEY = pem(
    "PRIVATE KEY",
    base64.b64decode(
        "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
        "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB"
        "Z9w7lshQhqowtrbLDFw4rXAxZuE="
    ),
)


def key_of(kind):
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind])


def protection(passphrase):
    if passphrase:
        return serialization.BestAvailableEncryption(passphrase)
    return serialization.NoEncryption()


def call_of(identity):
    return CallContent(
        sender=identity.principal,
        canister_id=Principal.parse("rt4r7-kaaaa-aaaaa-aatja-cai"),
        method_name="hello",
        arg=b"DIDL\x00\x00",
        ingress_expiry_ns=1_685_570_400_000_000_000,
        nonce=bytes(range(16)),
    )


def test_the_anonymous_identity_signs_nothing():
    identity = anonymous()
    envelope = decode_envelope(sign_request(call_of(identity), identity).body)
    assert identity.principal == ANONYMOUS
    assert (envelope.sender_public_key, envelope.sender_signature) == (None, None)


def test_an_ed25519_seed_gives_the_expected_key_principal_and_signature():
    # Recomputed with another implementation of Ed25519 from the seed 00 to 1f.
    identity = generate_ed25519(SEED)
    expected = "yavxl-ppty4-enezb-hcalr-cdgzv-zoexx-7od3c-urvk6-rfzs4-552ct-7ae"
    assert str(identity.principal) == expected
    assert identity.public_key_der == bytes.fromhex(
        "302a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    )
    request = sign_request(call_of(identity), identity)
    assert request.request_id.hex() == (
        "e5b1beebe8c0e730579c4fa17280ed457a270824050c77933da44bb244716adb"
    )
    assert decode_envelope(request.body).sender_signature == bytes.fromhex(
        "c95fc9afa9101eac0df7a72bed97fe471a83fb799b5641e910716fb778d53aac"
        "7dd5dc1c8072a6da74288499849bb48f9b22b6c3ad1a3032476272e289bfbf06"
    )


def test_junos_token_seed_gives_the_expected_principal():
    # Made with @dfinity/identity from the seed 07 repeated.
    expected = "tek7g-2zmny-nzjwg-ansf7-rkxv6-z32x6-3flbb-ous5d-pygjx-wkhlc-jae"
    assert str(generate_ed25519(b"\x07" * 32).principal) == expected


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_a_wrong_length_is_refused(size):
    with pytest.raises(IdentityError, match=f"32 bytes, not {size}"):
        generate_ed25519(bytes(size))


@pytest.mark.parametrize("passphrase", [None, b"open sesame"])
@pytest.mark.parametrize("kind", ["ed25519", "secp256k1", "secp256r1"])
def test_a_key_is_read_back_and_signs_as_the_network_wants(kind, passphrase):
    key = key_of(kind)
    data = key.private_bytes(PEM, PKCS8, protection(passphrase))
    identity = load_pem(data, passphrase)
    signature = identity.sign(b"payload")
    assert len(signature) == 64
    assert verify(identity.public_key_der, b"payload", signature)
    assert not verify(identity.public_key_der, b"another", signature)
    assert identity.principal == KeyIdentity(key).principal


@pytest.mark.parametrize("passphrase", [None, b"open sesame"])
@pytest.mark.parametrize("kind", ["secp256k1", "secp256r1"])
def test_a_key_in_the_older_form_is_read_with_its_parameters_before_it(kind, passphrase):
    key = key_of(kind)
    parameters = pem("EC PARAMETERS", bytes.fromhex("06052b8104000a"))
    data = parameters + key.private_bytes(PEM, SEC1, protection(passphrase))
    assert load_pem(data, passphrase).principal == KeyIdentity(key).principal


@pytest.mark.parametrize("passphrase", [None, b"open sesame"])
@pytest.mark.parametrize("kind", ["ed25519", "secp256k1", "secp256r1"])
def test_a_written_key_is_read_back(kind, passphrase):
    identity = KeyIdentity(key_of(kind))
    data = identity.to_pem(passphrase=passphrase)
    assert load_pem(data, passphrase).principal == identity.principal
    assert (b"ENCRYPTED" in data) == bool(passphrase)


def test_a_published_key_is_read_with_and_without_its_public_half():
    plain = load_pem(RFC_8410_PLAIN)
    assert load_pem(RFC_8410_WITH_PUBLIC_KEY).principal == plain.principal
    assert plain.public_key_der.hex().endswith(
        "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    )


@pytest.mark.parametrize(
    "tag", [pytest.param("a123032100", id="ring and dfx"), pytest.param("812100", id="RFC 5958")]
)
def test_an_ed25519_key_with_its_public_half_is_read(tag):
    identity = generate_ed25519(SEED)
    inside = bytes.fromhex("020101300506032b657004220420") + SEED
    inside += bytes.fromhex(tag) + identity.public_key_der[-32:]
    data = pem("PRIVATE KEY", bytes([0x30, len(inside)]) + inside)
    assert load_pem(data).principal == identity.principal
    damaged = pem("PRIVATE KEY", bytes([0x30, len(inside)]) + inside[:-1] + b"\x00")
    with pytest.raises(IdentityError, match="its public half is not of its private half"):
        load_pem(damaged)


def test_a_passphrase_that_is_not_needed_is_ignored():
    assert load_pem(RFC_8410_PLAIN, b"anything").principal == load_pem(RFC_8410_PLAIN).principal


@pytest.mark.parametrize("form", [PKCS8, SEC1])
@pytest.mark.parametrize(
    ("passphrase", "said"),
    [(None, "is protected by a passphrase"), (b"", "is protected"), (b"wrong", "is wrong")],
)
def test_a_missing_or_wrong_passphrase_says_which(form, passphrase, said):
    data = key_of("secp256k1").private_bytes(PEM, form, protection(b"open sesame"))
    with pytest.raises(IdentityError, match=said) as caught:
        load_pem(data, passphrase)
    assert caught.value.code == "identity-passphrase"


def other_kinds():
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    dsa_key = dsa.generate_private_key(key_size=1024)
    plain = serialization.NoEncryption()
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    p384 = ec.generate_private_key(ec.SECP384R1())
    openssh = serialization.PrivateFormat.OpenSSH
    return {
        "RSA": (rsa_key.private_bytes(PEM, PKCS8, plain), "of the kind RSA"),
        "old RSA": (rsa_key.private_bytes(PEM, SEC1, plain), "an RSA key"),
        "DSA": (dsa_key.private_bytes(PEM, PKCS8, plain), "of the kind DSA"),
        "old DSA": (dsa_key.private_bytes(PEM, SEC1, plain), "a DSA key"),
        "P-384": (p384.private_bytes(PEM, PKCS8, plain), "the curve secp384r1"),
        "OpenSSH": (key_of("ed25519").private_bytes(PEM, openssh, plain), "OpenSSH's own form"),
        "public": (key_of("ed25519").public_key().public_bytes(PEM, public), "a public key"),
        "certificate": (pem("CERTIFICATE", b"anything"), "a certificate"),
    }


def test_keys_of_other_kinds_say_what_they_are():
    for data, said in other_kinds().values():
        with pytest.raises(IdentityError, match=said) as caught:
            load_pem(data)
        assert caught.value.code == "identity-kind"
        assert "Ed25519, secp256k1 or P-256" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        RFC_8410_PLAIN.replace(b"END", b"STOP"),
        pem("PRIVATE KEY", b"not a key"),
        pem("EC PRIVATE KEY", b"\x30\x03\x02\x01\x01"),
        b"-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n",
    ],
)
def test_a_damaged_key_is_called_so(data):
    with pytest.raises(IdentityError) as caught:
        load_pem(data)
    assert caught.value.code == "identity-malformed"


@given(data=st.binary(max_size=200))
def test_any_bytes_in_place_of_a_key_are_refused_in_our_own_words(data):
    with pytest.raises(IdentityError):
        load_pem(pem("PRIVATE KEY", data))


@pytest.mark.parametrize("kind", ["secp256k1", "secp256r1"])
def test_of_two_possible_signatures_the_lower_one_is_made(kind):
    identity = KeyIdentity(key_of(kind))
    for number in range(20):
        s = int.from_bytes(identity.sign(bytes([number]))[32:], "big")
        assert s <= CURVE_ORDERS[kind] // 2


@pytest.mark.parametrize("kind", ["ed25519", "secp256k1", "secp256r1"])
def test_a_private_key_is_not_shown_pickled_or_copied(kind):
    identity = KeyIdentity(key_of(kind))
    assert repr(identity) == str(identity) == f"KeyIdentity({identity.principal})"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            leak(identity)
