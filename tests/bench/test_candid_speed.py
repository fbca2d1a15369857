"""How long a message with a 2 MB blob takes, beside ic-py.

ic-py copies the rest of the message for each byte, so it is measured on less and compared by the
byte, which flatters it.
"""

import ic.candid

from juno_snap.ids import Principal
from juno_snap.wire.candid import BLOB, PRINCIPAL, Record, decode, encode
from tests.bench.figures import median_ms, report

OUR_BYTES = 2_000_000
THEIR_BYTES = 20_000
AT_LEAST = 20
CANISTER = Principal.parse("rrkah-fqaaa-aaaaa-aaaaq-cai")
KIND = Record({"canister_id": PRINCIPAL, "chunk": BLOB})


def pattern(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def test_a_large_blob_takes_a_small_part_of_the_time_that_ic_py_takes(capsys):
    value = {"canister_id": CANISTER, "chunk": pattern(OUR_BYTES)}
    message = encode([KIND], [value])
    ours_encode = median_ms(lambda: encode([KIND], [value]), times=9)
    ours_decode = median_ms(lambda: decode(message, [KIND]), times=9)

    types = ic.candid.Types
    their_kind = types.Record({"canister_id": types.Principal, "chunk": types.Vec(types.Nat8)})
    their_value = {"canister_id": str(CANISTER), "chunk": list(pattern(THEIR_BYTES))}
    given = [{"type": their_kind, "value": their_value}]
    their_message = ic.candid.encode(given)
    theirs_encode = median_ms(lambda: ic.candid.encode(given), times=3)
    theirs_decode = median_ms(lambda: ic.candid.decode(their_message, [their_kind]), times=3)

    report(
        capsys,
        candid_encode_2_MB_blob=ours_encode,
        candid_decode_2_MB_blob=ours_decode,
        ic_py_encode_20_kB_blob=theirs_encode,
        ic_py_decode_20_kB_blob=theirs_decode,
    )
    ratio = OUR_BYTES / THEIR_BYTES
    assert theirs_encode * ratio > AT_LEAST * ours_encode
    assert theirs_decode * ratio > AT_LEAST * ours_decode
    small = encode([KIND], [{"canister_id": CANISTER, "chunk": pattern(THEIR_BYTES)}])
    assert small == their_message
