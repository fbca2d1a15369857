"""Who may bring a request in. For each check a request that fails it and nothing else."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from juno_snap.ids import MANAGEMENT_CANISTER, Principal
from juno_snap.replica.ingress import RequestError, Targets, validate
from juno_snap.wire.envelope import Envelope, SignedDelegation, request_signing_payload
from tests.replica.requests import (
    ALICE,
    BOB,
    CAROL,
    MINUTE_NS,
    call,
    envelope,
    query,
    read_state,
)

NOW_NS = 1_700_000_000 * 1_000_000_000
LATER_NS = NOW_NS + MINUTE_NS
CANISTER = Principal(b"\x00" * 7 + b"\x07\x01\x01")
OTHER = Principal(b"\x00" * 7 + b"\x08\x01\x01")


def a_call(key=ALICE, *, expiry_ns=LATER_NS, canister_id=CANISTER):
    return call(canister_id, sender=key.principal, expiry_ns=expiry_ns)


def refusal(request, now_ns=NOW_NS):
    with pytest.raises(RequestError) as caught:
        validate(request, now_ns)
    assert caught.value.status == 400
    return caught.value.text


def delegated(*delegations, signer=BOB, content=None):
    return envelope(content or a_call(), ALICE, delegations=delegations, signer=signer)


def to_bob(**fields):
    return ALICE.delegate(BOB, **({"expires_at_ns": LATER_NS} | fields))


def test_a_signed_call_may_act_on_every_canister():
    assert validate(envelope(a_call(), ALICE), NOW_NS) == Targets()


def test_an_anonymous_call_needs_no_signature():
    assert validate(envelope(call(CANISTER, expiry_ns=LATER_NS)), NOW_NS) == Targets()


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP256R1()], ids=lambda curve: curve.name)
def test_ecdsa_keys_may_sign(curve):
    private = ec.generate_private_key(curve)
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content = call(CANISTER, sender=Principal.self_authenticating(der), expiry_ns=LATER_NS)
    payload = request_signing_payload(content.request_id())
    r, s = decode_dss_signature(private.sign(payload, ec.ECDSA(SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    good = Envelope(content=content, sender_public_key=der, sender_signature=signature)
    assert validate(good, NOW_NS) == Targets()
    text = refusal(replace(good, sender_signature=signature[:-1] + bytes([signature[-1] ^ 1])))
    assert text.startswith("Invalid signature: ")


def test_the_signature_must_be_over_this_request():
    other = envelope(a_call(expiry_ns=LATER_NS + 1), ALICE)
    text = refusal(replace(other, content=a_call()))
    assert text.startswith("Invalid signature: Invalid basic signature")


def test_the_key_must_be_the_senders():
    text = refusal(envelope(a_call(ALICE), BOB))
    assert text == (
        f"The user id '{ALICE.principal}' does not match the public key '{BOB.der.hex()}'"
    )


@pytest.mark.parametrize("field", ["sender_public_key", "sender_signature"])
def test_key_and_signature_come_together(field):
    text = refusal(replace(envelope(a_call(), ALICE), **{field: None}))
    assert text == f"Missing signature from user: {ALICE.principal}"


def test_a_sender_with_a_name_must_sign():
    assert refusal(envelope(a_call())) == f"Missing signature from user: {ALICE.principal}"


def test_the_anonymous_sender_must_not_sign():
    text = refusal(envelope(call(CANISTER, expiry_ns=LATER_NS), ALICE))
    assert text == "Signature is not allowed for the anonymous user."


def test_a_key_of_an_unknown_kind_is_refused():
    der = b"\x30\x00 no key"
    content = call(CANISTER, sender=Principal.self_authenticating(der), expiry_ns=LATER_NS)
    text = refusal(Envelope(content=content, sender_public_key=der, sender_signature=b""))
    assert text.startswith("Invalid signature: Invalid public key: ")


@pytest.mark.parametrize(
    ("expiry_ns", "good"),
    [
        pytest.param(NOW_NS - 1, False, id="just over"),
        pytest.param(NOW_NS, True, id="this moment"),
        pytest.param(NOW_NS + 330 * 10**9, True, id="five minutes and the drift"),
        pytest.param(NOW_NS + 330 * 10**9 + 1, False, id="too far ahead"),
        pytest.param(2**64 - 1, False, id="the last moment there is"),
        pytest.param(10**30, False, id="beyond any calendar"),
    ],
)
def test_the_expiry_has_to_be_near(expiry_ns, good):
    for key, content in (
        (None, call(CANISTER, expiry_ns=expiry_ns)),
        (ALICE, a_call(expiry_ns=expiry_ns)),
        (ALICE, query(CANISTER, sender=ALICE.principal, expiry_ns=expiry_ns)),
        (ALICE, read_state(sender=ALICE.principal, expiry_ns=expiry_ns)),
    ):
        if good:
            validate(envelope(content, key), NOW_NS)
        else:
            assert refusal(envelope(content, key)).startswith("Invalid request expiry: ")


def test_the_text_about_the_expiry_is_the_networks():
    assert refusal(envelope(a_call(expiry_ns=NOW_NS - 1), ALICE)) == (
        "Invalid request expiry: Specified ingress_expiry not within expected range: "
        "Minimum allowed expiry: 2023-11-14 22:13:20.000000000 UTC, "
        "Maximum allowed expiry: 2023-11-14 22:18:50.000000000 UTC, "
        "Provided expiry: 2023-11-14 22:13:19.999999999 UTC"
    )


def test_anonymous_reads_do_not_expire():
    validate(envelope(query(CANISTER, expiry_ns=0)), NOW_NS)
    validate(envelope(read_state(expiry_ns=0)), NOW_NS)


def test_a_delegated_key_may_sign():
    assert validate(delegated(to_bob()), NOW_NS) == Targets()


def test_a_chain_of_delegations_may_be_followed():
    chain = (to_bob(), BOB.delegate(CAROL, expires_at_ns=LATER_NS))
    assert validate(delegated(*chain, signer=CAROL), NOW_NS) == Targets()


def test_the_last_key_of_the_chain_must_sign():
    text = refusal(delegated(to_bob(), signer=ALICE))
    assert text.startswith("Invalid signature: ")


def test_each_delegation_must_be_signed_by_the_key_before_it():
    stolen = CAROL.delegate(BOB, expires_at_ns=LATER_NS)
    assert refusal(delegated(stolen)).startswith("Invalid delegation: Invalid basic signature")


def test_a_changed_delegation_is_refused():
    signed = to_bob()
    longer = replace(signed.delegation, expires_at_ns=LATER_NS + 1)
    changed = SignedDelegation(delegation=longer, signature=signed.signature)
    assert refusal(delegated(changed)).startswith("Invalid delegation: Invalid basic signature")


def test_the_order_of_the_chain_matters():
    chain = (BOB.delegate(CAROL, expires_at_ns=LATER_NS), to_bob())
    assert refusal(delegated(*chain, signer=CAROL)).startswith("Invalid delegation: ")


def test_an_expired_delegation_is_refused():
    assert validate(delegated(to_bob(expires_at_ns=NOW_NS)), NOW_NS) == Targets()
    text = refusal(delegated(to_bob(expires_at_ns=NOW_NS - 1)))
    assert text.startswith("Invalid delegation expiry: ")


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param([ALICE.delegate(ALICE, expires_at_ns=LATER_NS)], id="to itself"),
        pytest.param(
            [to_bob(), BOB.delegate(ALICE, expires_at_ns=LATER_NS)], id="back to the first"
        ),
    ],
)
def test_no_key_may_occur_twice(chain):
    text = refusal(delegated(*chain, signer=ALICE))
    assert text.startswith("Invalid delegation: Chain of delegations contains at least one cycle")


def test_targets_limit_the_canisters():
    assert validate(delegated(to_bob(targets=(CANISTER,))), NOW_NS).allow(CANISTER)
    text = refusal(delegated(to_bob(targets=(OTHER,))))
    assert text == f"Canister '{CANISTER}' is not one of the delegation targets."


def test_a_later_delegation_can_only_narrow_the_targets():
    chain = (
        to_bob(targets=(CANISTER,)),
        BOB.delegate(CAROL, expires_at_ns=LATER_NS, targets=(OTHER, CANISTER)),
    )
    targets = validate(delegated(*chain, signer=CAROL), NOW_NS)
    assert targets.allow(CANISTER)
    assert not targets.allow(OTHER)


def test_a_management_call_needs_the_management_canister_among_the_targets():
    content = a_call(canister_id=MANAGEMENT_CANISTER)
    assert "not one of the delegation targets" in refusal(
        delegated(to_bob(targets=(CANISTER,)), content=content)
    )
    validate(delegated(to_bob(targets=(MANAGEMENT_CANISTER,)), content=content), NOW_NS)


def test_a_delegation_for_queries_permits_no_call():
    assert "permits queries" in refusal(delegated(to_bob(permissions="queries")))
    question = query(CANISTER, sender=ALICE.principal, expiry_ns=LATER_NS)
    validate(delegated(to_bob(permissions="queries"), content=question), NOW_NS)


def test_a_later_delegation_cannot_lift_that():
    chain = (
        to_bob(permissions="queries"),
        BOB.delegate(CAROL, expires_at_ns=LATER_NS, permissions="all"),
    )
    assert "permits queries" in refusal(delegated(*chain, signer=CAROL))


def test_unknown_permissions_make_every_request_invalid():
    question = query(CANISTER, sender=ALICE.principal, expiry_ns=LATER_NS)
    text = refusal(delegated(to_bob(permissions="everything"), content=question))
    assert text == "Invalid delegation: unknown permissions: everything"


def test_reads_are_not_limited_by_targets_here():
    content = read_state(sender=ALICE.principal, expiry_ns=LATER_NS)
    targets = validate(delegated(to_bob(targets=(OTHER,)), content=content), NOW_NS)
    assert not targets.allow(CANISTER)
