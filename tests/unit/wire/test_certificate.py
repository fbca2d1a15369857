import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.errors import DecodeError, TrustError
from juno_snap.wire import bls, cbor
from juno_snap.wire.certificate import (
    CanisterScope,
    CertificateTimeError,
    DelegationCache,
    SubnetScope,
    decode_certificate,
    encode_certificate,
)
from juno_snap.wire.hashtree import Absent, Empty, Fork, Found, Labeled, Leaf, Unknown
from tests.unit.wire.certificates import (
    CANISTER,
    NOW_NS,
    RANGE,
    ROOT_KEY,
    ROOT_SUBNET,
    STRANGER_SECRET,
    SUBNET,
    SUBNET_KEY,
    SUBNET_SECRET,
    canister,
    certify,
    delegate,
    delegated,
    hide,
    older_root_state,
    ranges_leaf,
    root_state,
    time_leaf,
    tree_of,
    verify,
)

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
STATE = tree_of({b"time": time_leaf(), b"who": b"me"})
OTHER = canister(0x900)


def test_accepts_a_certificate_of_the_root_subnet():
    verified = verify(certify(STATE))
    assert verified.lookup((b"who",)) == Found(b"me")
    assert verified.time_ns == NOW_NS
    assert verified.subnet_id == ROOT_SUBNET
    assert verified.subnet_key == bls.der_to_public_key(ROOT_KEY)


@pytest.mark.parametrize("state", [root_state, older_root_state])
def test_accepts_a_delegated_certificate_with_ranges_in_either_form(state):
    verified = verify(delegated(delegate(state(RANGE)), state=STATE))
    assert verified.lookup((b"who",)) == Found(b"me")
    assert verified.subnet_id == SUBNET
    assert verified.subnet_key == bls.der_to_public_key(SUBNET_KEY)


@pytest.mark.parametrize("edge", RANGE)
def test_both_ends_of_a_range_belong_to_it(edge):
    assert verify(delegated(), scope=CanisterScope(edge)).subnet_id == SUBNET


def test_looks_into_the_shard_that_begins_last_before_the_canister():
    shards = root_state((canister(0x10), canister(0x1F)), RANGE, (canister(0x300), canister(0x3FF)))
    assert verify(delegated(delegate(shards))).subnet_id == SUBNET


def test_uses_the_older_ranges_where_the_newer_are_pruned():
    tree = tree_of(
        {
            b"canister_ranges": {SUBNET.raw: {RANGE[0].raw: ranges_leaf(RANGE)}},
            b"subnet": {
                SUBNET.raw: {b"canister_ranges": ranges_leaf(RANGE), b"public_key": SUBNET_KEY}
            },
            b"time": time_leaf(),
        }
    )
    assert verify(delegated(delegate(hide(tree, b"canister_ranges")))).subnet_id == SUBNET


def test_a_subnet_may_speak_for_itself():
    assert verify(delegated(), scope=SubnetScope(SUBNET)).subnet_id == SUBNET
    assert verify(certify(STATE), scope=SubnetScope(ROOT_SUBNET)).subnet_id == ROOT_SUBNET


BAD_KEY = SUBNET_KEY[:20] + b"\x00" + SUBNET_KEY[21:]
LABELS_BACKWARDS = Fork(Labeled(b"time", Leaf(time_leaf())), Labeled(b"a", Leaf(b"1")))
LABEL_TWICE = Fork(Labeled(b"time", Leaf(time_leaf())), Labeled(b"time", Leaf(time_leaf())))
VALUE_BESIDE_LABELS = Fork(Leaf(b"1"), Labeled(b"time", Leaf(time_leaf())))
BACKWARDS_BELOW = Fork(Labeled(b"below", LABELS_BACKWARDS), Labeled(b"time", Leaf(time_leaf())))
RANGES_PRUNED = hide(root_state(RANGE), b"canister_ranges")
OLDER_RANGES_PRUNED = hide(older_root_state(RANGE), b"subnet", SUBNET.raw, b"canister_ranges")
SHARD_PRUNED = hide(
    root_state((canister(0x10), canister(0x1F)), RANGE),
    b"canister_ranges",
    SUBNET.raw,
    RANGE[0].raw,
)
NO_RANGES = tree_of(
    {
        b"canister_ranges": {b"another": {RANGE[0].raw: ranges_leaf(RANGE)}},
        b"subnet": {SUBNET.raw: {b"public_key": SUBNET_KEY}},
        b"time": time_leaf(),
    }
)


def with_range_leaf(leaf):
    return tree_of(
        {
            b"canister_ranges": {SUBNET.raw: {RANGE[0].raw: leaf}},
            b"subnet": {SUBNET.raw: {b"public_key": SUBNET_KEY}},
            b"time": time_leaf(),
        }
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(certify(STATE, secret=STRANGER_SECRET), "certificate-signature", id="forged"),
        pytest.param(
            delegated(secret=STRANGER_SECRET), "certificate-signature", id="forged-delegated"
        ),
        pytest.param(certify({b"a": b"1"}), "certificate-malformed", id="without-time"),
        pytest.param(certify({b"time": b"\x80"}), "certificate-malformed", id="time-cut-short"),
        pytest.param(certify({b"time": {b"a": b"1"}}), "certificate-malformed", id="time-no-value"),
        pytest.param(certify(hide(STATE, b"time")), "certificate-pruned", id="time-pruned"),
        pytest.param(certify(LABELS_BACKWARDS), "certificate-malformed", id="reordered-labels"),
        pytest.param(certify(LABEL_TWICE), "certificate-malformed", id="label-twice"),
        pytest.param(certify(VALUE_BESIDE_LABELS), "certificate-malformed", id="leaf-mixed-in"),
        pytest.param(certify(BACKWARDS_BELOW), "certificate-malformed", id="reordered-below"),
        pytest.param(
            delegated(delegate(secret=STRANGER_SECRET)),
            "certificate-delegation",
            id="delegation-not-by-the-root",
        ),
        pytest.param(
            delegated(delegate(secret=SUBNET_SECRET)),
            "certificate-delegation",
            id="delegation-by-the-subnet-itself",
        ),
        pytest.param(
            delegated(delegate(delegation=delegate())),
            "certificate-delegation",
            id="nested-delegation",
        ),
        pytest.param(
            delegated(delegate(root_state(RANGE, subnet=ROOT_SUBNET))),
            "certificate-delegation",
            id="delegation-for-another-subnet",
        ),
        pytest.param(
            delegated(delegate(hide(root_state(RANGE), b"subnet", SUBNET.raw, b"public_key"))),
            "certificate-pruned",
            id="subnet-key-pruned",
        ),
        pytest.param(
            delegated(delegate(root_state(RANGE, key=BAD_KEY))),
            "certificate-malformed",
            id="subnet-key-malformed-der",
        ),
        pytest.param(
            delegated(delegate(root_state(RANGE, key=SUBNET_KEY[:-1]))),
            "certificate-malformed",
            id="subnet-key-cut-short",
        ),
        pytest.param(
            delegated(delegate(hide(root_state(RANGE), b"time"))),
            "certificate-pruned",
            id="delegation-time-pruned",
        ),
        pytest.param(delegated(delegate(RANGES_PRUNED)), "certificate-pruned", id="ranges-pruned"),
        pytest.param(
            delegated(delegate(OLDER_RANGES_PRUNED)), "certificate-pruned", id="old-ranges-pruned"
        ),
        pytest.param(delegated(delegate(SHARD_PRUNED)), "certificate-pruned", id="shard-pruned"),
        pytest.param(delegated(delegate(NO_RANGES)), "certificate-range", id="no-ranges"),
        pytest.param(
            delegated(delegate(with_range_leaf(cbor.encode([[b"\x01"]])))),
            "certificate-malformed",
            id="range-with-one-end",
        ),
        pytest.param(
            delegated(delegate(with_range_leaf(b"\xff"))),
            "certificate-malformed",
            id="ranges-not-cbor",
        ),
    ],
)
def test_refuses(data, code):
    with pytest.raises(TrustError) as caught:
        verify(data)
    assert caught.value.code == code


@pytest.mark.parametrize("state", [root_state, older_root_state])
@pytest.mark.parametrize("number", [0xFF, 0x200, 0x900])
def test_refuses_a_canister_outside_the_ranges(state, number):
    with pytest.raises(TrustError) as caught:
        verify(delegated(delegate(state(RANGE))), scope=CanisterScope(canister(number)))
    assert caught.value.code == "certificate-range"


@pytest.mark.parametrize("data", [delegated(), certify(STATE)])
def test_refuses_another_subnet_than_the_one_asked(data):
    with pytest.raises(TrustError) as caught:
        verify(data, scope=SubnetScope(OTHER))
    assert caught.value.code == "certificate-range"


def test_refuses_a_value_changed_after_signing():
    good = decode_certificate(certify(STATE))
    changed = decode_certificate(certify(tree_of({b"time": time_leaf(), b"who": b"you"})))
    mixed = encode_certificate(type(good)(tree=changed.tree, signature=good.signature))
    with pytest.raises(TrustError) as caught:
        verify(mixed)
    assert caught.value.code == "certificate-signature"


def test_refuses_the_right_certificate_of_another_network():
    stranger = bls.public_key_to_der(bls.public_key(STRANGER_SECRET))
    with pytest.raises(TrustError) as caught:
        verify(certify(STATE), root_key=stranger)
    assert caught.value.code == "certificate-signature"


@pytest.mark.parametrize(
    ("late_ns", "code", "seconds"),
    [
        pytest.param(301 * SECOND_NS, "certificate-stale", "301 s old", id="stale"),
        pytest.param(-302 * SECOND_NS, "certificate-ahead", "302 s ahead", id="ahead"),
    ],
)
def test_says_how_far_the_clocks_are_apart(late_ns, code, seconds):
    with pytest.raises(CertificateTimeError, match=seconds) as caught:
        verify(certify(STATE), now_ns=NOW_NS + late_ns)
    assert caught.value.code == code
    assert caught.value.fields == {
        "certificate_time_ns": NOW_NS,
        "now_ns": NOW_NS + late_ns,
    }


@pytest.mark.parametrize("late_ns", [300 * SECOND_NS, -300 * SECOND_NS])
def test_accepts_five_minutes_either_way(late_ns):
    assert verify(certify(STATE), now_ns=NOW_NS + late_ns).time_ns == NOW_NS


def test_takes_other_limits_of_time():
    assert verify(certify(STATE), now_ns=NOW_NS + DAY_NS, max_age_ns=DAY_NS).time_ns == NOW_NS
    with pytest.raises(CertificateTimeError):
        verify(certify(STATE), now_ns=NOW_NS - 1, max_ahead_ns=0)


@pytest.mark.parametrize(
    ("age_ns", "code"),
    [
        pytest.param(31 * DAY_NS, "certificate-stale", id="a-month-old"),
        pytest.param(-DAY_NS, "certificate-ahead", id="from-tomorrow"),
    ],
)
def test_refuses_a_delegation_of_another_time(age_ns, code):
    old = delegate(root_state(RANGE, time_ns=NOW_NS - age_ns))
    known = DelegationCache()
    for _ in range(2):
        with pytest.raises(CertificateTimeError, match="delegation") as caught:
            verify(delegated(old), known=known)
        assert caught.value.code == code


def test_accepts_a_delegation_of_last_week():
    old = delegate(root_state(RANGE, time_ns=NOW_NS - 7 * DAY_NS))
    assert verify(delegated(old)).subnet_id == SUBNET


class CountingCheck:
    def __init__(self):
        self.count = 0

    def __call__(self, key, signature, message):
        self.count += 1
        return bls.verify(key, signature, message)


def test_a_known_delegation_costs_no_second_verification():
    check, known = CountingCheck(), DelegationCache()
    verify(delegated(), known=known, check_signature=check)
    assert check.count == 2
    verify(delegated(state=STATE), known=known, check_signature=check)
    assert check.count == 3


def test_a_known_delegation_is_still_bound_to_its_ranges():
    known = DelegationCache()
    verify(delegated(), known=known)
    with pytest.raises(TrustError) as caught:
        verify(delegated(), known=known, scope=CanisterScope(OTHER))
    assert caught.value.code == "certificate-range"


def test_a_delegation_known_under_one_root_key_is_not_known_under_another():
    known = DelegationCache()
    verify(delegated(), known=known)
    stranger = bls.public_key_to_der(bls.public_key(STRANGER_SECRET))
    with pytest.raises(TrustError) as caught:
        verify(delegated(), known=known, root_key=stranger)
    assert caught.value.code == "certificate-delegation"


def test_a_refused_delegation_is_not_remembered():
    known = DelegationCache()
    for _ in range(2):
        with pytest.raises(TrustError) as caught:
            verify(delegated(delegate(secret=STRANGER_SECRET)), known=known)
        assert caught.value.code == "certificate-delegation"


def test_forgets_the_delegation_not_used_for_longest():
    check, known = CountingCheck(), DelegationCache(size=1)
    other = delegate(root_state(RANGE, time_ns=NOW_NS - 1))
    for delegation in (delegate(), other, delegate()):
        verify(delegated(delegation), known=known, check_signature=check)
    assert check.count == 6


def test_a_root_key_that_is_none_is_an_error_of_its_own():
    with pytest.raises(DecodeError):
        verify(certify(STATE), root_key=b"key")


def test_absent_hidden_and_there_are_three_answers():
    tree = hide(tree_of({b"a": b"1", b"c": b"3", b"time": time_leaf(), b"z": b"9"}), b"c")
    verified = verify(certify(tree))
    assert verified.find((b"a",), "the value") == b"1"
    assert verified.find((b"zz",), "the value") is None
    with pytest.raises(TrustError, match="does not show the value") as caught:
        verified.find((b"c",), "the value")
    assert caught.value.code == "certificate-pruned"
    assert verified.lookup_subtree((b"c",)) == Unknown()
    assert verified.lookup_subtree((b"zz",)) == Absent()


def test_a_certificate_survives_its_encoding():
    data = delegated(state=STATE)
    assert encode_certificate(decode_certificate(data)) == data


def test_skips_keys_it_does_not_know():
    fields = cbor.decode_map(certify(STATE))
    assert verify(cbor.encode({**fields, "new": 1})).subnet_id == ROOT_SUBNET


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"signature": b""}, id="no-tree"),
        pytest.param({"tree": [0]}, id="no-signature"),
        pytest.param({"tree": [0], "signature": "text"}, id="signature-is-text"),
        pytest.param({"tree": [0], "signature": b"", "delegation": {}}, id="empty-delegation"),
        pytest.param(
            {
                "tree": [0],
                "signature": b"",
                "delegation": {"subnet_id": bytes(30), "certificate": b""},
            },
            id="subnet-id-too-long",
        ),
        pytest.param([1], id="no-map"),
    ],
)
def test_refuses_a_certificate_of_another_shape(fields):
    with pytest.raises(TrustError) as caught:
        verify(cbor.encode(fields))
    assert caught.value.code == "certificate-malformed"


def test_an_empty_tree_is_no_certificate():
    with pytest.raises(TrustError, match="no time"):
        verify(certify(Empty()))


GOOD = delegated(state=STATE)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD) * 8 - 1))
def test_no_bit_can_be_changed(bit):
    changed = bytearray(GOOD)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(TrustError):
        verify(bytes(changed))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD) - 1))
def test_no_end_can_be_missing(length):
    with pytest.raises(TrustError) as caught:
        verify(GOOD[:length])
    assert caught.value.code == "certificate-malformed"


def test_the_canister_of_the_fixtures_is_inside():
    assert RANGE[0] < CANISTER < RANGE[1]
