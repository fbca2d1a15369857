"""What the wire costs. Medians are shown; only counts and ratios are asserted."""

import os

import ic.candid

from juno_snap.ids import Principal
from juno_snap.management import candid_types as types
from juno_snap.management.candid_values import argument, result_fields
from juno_snap.wire import bls, cbor
from juno_snap.wire.candid import BLOB, decode, encode
from juno_snap.wire.certificate import DelegationCache, request_status
from juno_snap.wire.envelope import CallContent, Envelope, decode_envelope, encode_envelope
from tests.bench.figures import median_ms, report
from tests.unit.wire.certificates import (
    CANISTER,
    NOW_NS,
    RANGE,
    certify,
    delegate,
    delegated,
    root_state,
    time_leaf,
    tree_of,
    verify,
)

BLOB_BYTES = 2_000_000
PEER_BLOB_BYTES = 50_000
REQUEST = bytes(range(32))


def state(reply, others=50):
    """A state with this reply, among the statuses of other calls."""
    statuses = {bytes([number]) * 32: {b"status": b"processing"} for number in range(others)}
    statuses[REQUEST] = {b"reply": reply, b"status": b"replied"}
    return tree_of({b"request_status": statuses, b"time": time_leaf()})


class CountingCheck:
    """BLS verification that counts itself."""

    def __init__(self):
        self.count = 0

    def __call__(self, key, signature, message):
        self.count += 1
        return bls.verify(key, signature, message)


def test_certificates_cost_one_verification_and_new_delegations_one_more(capsys):
    plain = certify(state(b"DIDL\x00\x00"))
    with_delegation = delegated(state=state(b"DIDL\x00\x00"))
    known = DelegationCache()
    verify(with_delegation, known=known)
    runs = {
        "certificate_without_delegation": (lambda check: verify(plain, check_signature=check), 1),
        "certificate_with_a_known_delegation": (
            lambda check: verify(with_delegation, known=known, check_signature=check),
            1,
        ),
        "certificate_with_a_new_delegation": (
            lambda check: verify(with_delegation, known=DelegationCache(), check_signature=check),
            2,
        ),
    }
    figures = {}
    for what, (run, verifications) in runs.items():
        check = CountingCheck()
        run(check)
        assert check.count == verifications
        figures[what] = median_ms(lambda run=run: run(bls.verify), times=30)
    report(capsys, **figures)


def test_the_size_of_a_reply_does_not_count_beside_its_signature(capsys):
    small, large = certify(state(b"")), certify(state(bytes(BLOB_BYTES)))
    small_ms = median_ms(lambda: verify(small), times=20)
    large_ms = median_ms(lambda: verify(large), times=20)
    assert request_status(verify(large), REQUEST).reply == bytes(BLOB_BYTES)
    report(capsys, certificate_around_a_reply_of_2_MB=large_ms)
    assert large_ms < 50 * small_ms


def test_many_shards_of_ranges_cost_no_further_verification(capsys):
    shards = [(Principal(bytes([number, 0]) + RANGE[0].raw), RANGE[1]) for number in range(1, 200)]
    data = delegated(delegate(root_state(RANGE, *shards)))
    check = CountingCheck()
    verify(data, check_signature=check)
    assert check.count == 2
    report(capsys, certificate_with_200_shards_of_ranges=median_ms(lambda: verify(data), times=10))


def test_a_large_blob_goes_both_ways(capsys):
    """A slice of a snapshot: Candid and CBOR together, there and back."""
    blob = os.urandom(BLOB_BYTES)

    def write():
        record = {"canister_id": CANISTER, "chunk": blob}
        content = CallContent(
            sender=CANISTER,
            canister_id=CANISTER,
            method_name="upload_chunk",
            arg=argument(types.UPLOAD_CHUNK, record),
            ingress_expiry_ns=NOW_NS,
        )
        return encode_envelope(Envelope(content=content))

    answer = cbor.encode({"reply": encode([types.DATA], [{"chunk": blob}])})

    def read():
        reply = cbor.decode_map(answer)["reply"]
        return result_fields(reply, types.DATA).take("chunk", bytes)

    assert read() == blob
    sent = decode(decode_envelope(write()).content.arg, [types.UPLOAD_CHUNK])
    assert sent[0]["chunk"] == blob
    data = cbor.encode({"a": blob})
    report(
        capsys,
        blob_of_2_MB_in_Candid_and_CBOR_written=median_ms(write, times=20),
        blob_of_2_MB_in_Candid_and_CBOR_read=median_ms(read, times=20),
        blob_of_2_MB_in_CBOR_alone_written=median_ms(lambda: cbor.encode({"a": blob}), times=20),
        blob_of_2_MB_in_CBOR_alone_read=median_ms(lambda: cbor.decode(data), times=20),
    )


def test_a_blob_is_read_much_faster_than_by_the_library_below(capsys):
    """ic-py copies the rest of the message for each byte of a blob."""
    blob = os.urandom(PEER_BLOB_BYTES)
    data = encode([BLOB], [blob])
    peer_type = ic.candid.Types.Vec(ic.candid.Types.Nat8)
    assert bytes(ic.candid.decode(data, peer_type)[0]["value"]) == blob
    ours_ms = median_ms(lambda: decode(data, [BLOB]), times=5)
    peers_ms = median_ms(lambda: ic.candid.decode(data, peer_type), times=3)
    report(capsys, blob_of_50_KB_read_by_us=ours_ms, blob_of_50_KB_read_by_ic_py=peers_ms)
    assert ours_ms * 10 < peers_ms
