import pytest

from juno_snap.errors import TrustError
from juno_snap.ids import RequestId
from juno_snap.wire.certificate import (
    Done,
    Pending,
    Rejected,
    Replied,
    StatusAbsent,
    request_status,
)
from tests.unit.wire.certificates import certify, hide, time_leaf, tree_of, verify

REQUEST = RequestId(b"r" * 32)
REPLIED = {b"status": b"replied", b"reply": b"DIDL"}
REJECTED = {
    b"error_code": b"IC0503",
    b"reject_code": b"\x05",
    b"reject_message": "trapped: é".encode(),
    b"status": b"rejected",
}


def state(status):
    return tree_of({b"request_status": {REQUEST: status}, b"time": time_leaf()})


def status_of(tree):
    return request_status(verify(certify(tree)), REQUEST)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param(REPLIED, Replied(b"DIDL"), id="replied"),
        pytest.param(
            REJECTED, Rejected(code=5, message="trapped: é", error_code="IC0503"), id="rejected"
        ),
        pytest.param(
            {**REJECTED, b"error_code": b""},
            Rejected(code=5, message="trapped: é", error_code=""),
            id="rejected-with-an-empty-error-code",
        ),
        pytest.param({b"status": b"received"}, Pending("received"), id="received"),
        pytest.param({b"status": b"processing"}, Pending("processing"), id="processing"),
        pytest.param({b"status": b"done"}, Done(), id="done"),
    ],
)
def test_reads_the_status(fields, status):
    assert status_of(state(fields)) == status


def test_older_networks_give_no_error_code():
    fields = {name: value for name, value in REJECTED.items() if name != b"error_code"}
    assert status_of(state(fields)).error_code == ""


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(tree_of({b"time": time_leaf()}), id="no-requests"),
        pytest.param(
            tree_of({b"request_status": {b"q": REPLIED, b"s": REPLIED}, b"time": time_leaf()}),
            id="between-others",
        ),
    ],
)
def test_an_unknown_request_is_absent_only_when_proven(tree):
    assert status_of(tree) == StatusAbsent()


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(hide(state(REPLIED), b"request_status"), id="all-requests"),
        pytest.param(hide(state(REPLIED), b"request_status", REQUEST), id="the-request"),
        pytest.param(hide(state(REPLIED), b"request_status", REQUEST, b"status"), id="status"),
        pytest.param(hide(state(REPLIED), b"request_status", REQUEST, b"reply"), id="reply"),
        pytest.param(
            hide(state(REJECTED), b"request_status", REQUEST, b"reject_code"), id="reject-code"
        ),
        pytest.param(
            hide(state(REJECTED), b"request_status", REQUEST, b"reject_message"), id="message"
        ),
        pytest.param(
            hide(state(REJECTED), b"request_status", REQUEST, b"error_code"), id="error-code"
        ),
    ],
)
def test_a_hidden_part_is_never_taken_for_absent(tree):
    with pytest.raises(TrustError) as caught:
        status_of(tree)
    assert caught.value.code == "certificate-pruned"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({b"status": b"failed"}, id="unknown-status"),
        pytest.param({b"status": b"\xff"}, id="status-not-text"),
        pytest.param({b"status": b"replied"}, id="replied-without-reply"),
        pytest.param({b"status": b"rejected"}, id="rejected-without-code"),
        pytest.param({**REJECTED, b"reject_code": b"\x80"}, id="reject-code-cut-short"),
        pytest.param({**REJECTED, b"reject_message": b"\xff"}, id="message-not-text"),
        pytest.param({b"status": {b"a": b"replied"}}, id="status-without-value"),
    ],
)
def test_refuses_what_is_no_status(fields):
    with pytest.raises(TrustError) as caught:
        status_of(state(fields))
    assert caught.value.code == "certificate-malformed"
