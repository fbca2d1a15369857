import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from juno_snap.errors import DecodeError
from juno_snap.wire import signature

SEED = bytes(range(32))


def ecdsa(curve, number=12345):
    key = ec.derive_private_key(number, curve)
    r, s = decode_dss_signature(key.sign(b"payload", ec.ECDSA(SHA256())))
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der, r.to_bytes(32) + s.to_bytes(32)


ED25519 = (signature.ed25519_public_der(SEED), signature.sign_ed25519(SEED, b"payload"))
SIGNED = [
    pytest.param(*ED25519, id="ed25519"),
    pytest.param(*ecdsa(ec.SECP256K1()), id="secp256k1"),
    pytest.param(*ecdsa(ec.SECP256R1()), id="p256"),
]


@pytest.mark.parametrize(("key", "signed"), SIGNED)
def test_accepts_the_signature_of_its_payload_only(key, signed):
    assert signature.verify(key, b"payload", signed)
    assert not signature.verify(key, b"payloae", signed)


@pytest.mark.parametrize(("key", "signed"), SIGNED)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda signed: b"", id="empty"),
        pytest.param(lambda signed: signed[:-1], id="cut-short"),
        pytest.param(lambda signed: signed + b"\x00", id="too-long"),
        pytest.param(lambda signed: bytes(64), id="zeros"),
        pytest.param(lambda signed: b"\xff" * 64, id="above-the-order"),
        pytest.param(lambda signed: signed[:-1] + bytes([signed[-1] ^ 1]), id="one-bit"),
    ],
)
def test_refuses_a_spoilt_signature(key, signed, spoil):
    assert not signature.verify(key, b"payload", spoil(signed))


def test_refuses_the_der_form_of_an_ecdsa_signature():
    key = ec.derive_private_key(5, ec.SECP256R1())
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert not signature.verify(der, b"payload", key.sign(b"payload", ec.ECDSA(SHA256())))


def test_refuses_the_signature_of_another_key():
    other = signature.ed25519_public_der(bytes(32))
    assert not signature.verify(other, b"payload", ED25519[1])


def compressed(curve):
    key = ec.derive_private_key(5, curve).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(b"", id="empty"),
        pytest.param(ED25519[0][:-1], id="cut-short"),
        pytest.param(ED25519[0] + b"\x00", id="too-long"),
        pytest.param(b"\x30\x2b" + ED25519[0][2:], id="another-der-length"),
        pytest.param(
            signature.P256_DER_PREFIX + compressed(ec.SECP256R1()) + bytes(32), id="compressed"
        ),
        pytest.param(
            signature.SECP256K1_DER_PREFIX + b"\x04" + bytes(64), id="no-point-of-the-curve"
        ),
        pytest.param(
            signature.P256_DER_PREFIX + ecdsa(ec.SECP256K1())[0][-65:], id="of-another-curve"
        ),
    ],
)
def test_a_key_of_another_kind_or_form_is_an_error(key):
    with pytest.raises(DecodeError):
        signature.verify(key, b"payload", bytes(64))
