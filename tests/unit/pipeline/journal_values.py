"""Operations, calls and notes to write into a journal, made up or drawn."""

import hashlib

from hypothesis import strategies as st

from juno_snap.ids import Principal, RequestId, SnapshotId
from juno_snap.pipeline.journal.records import CallRecord, NewOperation, SnapshotNote

ROOT_KEY = b"\x30\x81" + b"k" * 131
MODULE = Principal(b"\x00\x00\x00\x00\x00\x00\x00\x07\x01\x01")
OTHER_MODULE = Principal(b"\x00\x00\x00\x00\x00\x00\x00\x08\x01\x01")
SIGNER = Principal(b"s" * 28 + b"\x02")


def operation(name="20261121-073722-000001", **changes):
    """An operation that is about to begin."""
    said = {
        "id": name,
        "kind": "upgrade",
        "network": "http://127.0.0.1:8000",
        "root_key": ROOT_KEY,
        "module": MODULE,
        "principal": SIGNER,
        "began_at_ns": 1_800_000_000_000_000_001,
        "digest": b"d" * 32,
        "program": {"steps": ["stop", "snapshot", "install", "start"], "mode": None},
        "kept": (b"w" * 32, b"a" * 32),
    }
    return NewOperation(**{**said, **changes})


def call(name="stop_canister", **changes):
    """A signed call of that method; its request id follows from the name and the body."""
    body = changes.get("body", b"envelope of " + name.encode())
    said = {
        "request_id": RequestId(hashlib.sha256(name.encode() + body).digest()),
        "canister_id": Principal(b""),
        "effective_canister_id": MODULE,
        "method": name,
        "expires_at_ns": 1_800_000_240_000_000_000,
        "signed_after_ns": 1_799_999_999_000_000_000,
        "body": body,
    }
    return CallRecord(**{**said, **changes})


def snapshot(number=1):
    """The id of a snapshot of the module."""
    return SnapshotId(number.to_bytes(8, "big") + MODULE.raw)


def note(number=1, **changes):
    """What is known of a snapshot that an upgrade took."""
    return SnapshotNote(**{"id": snapshot(number), "purpose": "upgrade", **changes})


TIMES = st.integers(0, 2**63 - 1)
TEXTS = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=4)
PRINCIPALS = st.binary(max_size=29).map(Principal)
OPERATIONS = st.builds(
    NewOperation,
    id=TEXTS,
    kind=st.sampled_from(["upgrade", "restore", "rollback", "snapshot"]),
    network=TEXTS,
    root_key=st.binary(max_size=140),
    module=PRINCIPALS,
    principal=PRINCIPALS,
    began_at_ns=TIMES,
    digest=st.binary(min_size=32, max_size=32),
    program=OBJECTS,
    kept=st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple),
)
CALLS = st.builds(
    CallRecord,
    request_id=st.binary(min_size=32, max_size=32).map(RequestId),
    canister_id=PRINCIPALS,
    effective_canister_id=PRINCIPALS,
    method=TEXTS,
    expires_at_ns=TIMES,
    signed_after_ns=TIMES,
    certified_at_ns=st.none() | TIMES,
    body=st.none() | st.binary(max_size=200),
)
NOTES = st.builds(
    SnapshotNote,
    id=st.binary(min_size=8, max_size=37).map(SnapshotId),
    purpose=st.none() | st.sampled_from(["upgrade", "safety", "user", "rehearsal", "upload"]),
    label=st.none() | TEXTS,
    is_protected=st.booleans(),
)
