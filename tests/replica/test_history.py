"""The request history: kept as long as a request could come in again, and over a restart."""

import pytest

from juno_snap.errors import DecodeError
from juno_snap.ids import Principal
from juno_snap.replica.certify_tree import Wanted, witness
from juno_snap.replica.history import KEPT_NS, History
from juno_snap.replica.reject import Reject
from juno_snap.wire.hashtree import Absent, Found, lookup
from tests.replica.requests import ALICE, MINUTE_NS, call

CANISTER = Principal(b"\x00" * 7 + b"\x07\x01\x01")
NOW_NS = 1_700_000_000 * 1_000_000_000


def a_call(nonce=b"1", *, expiry_ns=NOW_NS + MINUTE_NS):
    return call(CANISTER, sender=ALICE.principal, expiry_ns=expiry_ns, nonce=nonce)


def ended(outcome, **fields):
    history = History()
    request = history.receive(a_call(**fields), CANISTER)
    history.begin(request.request_id)
    history.end(request.request_id, outcome, NOW_NS)
    return history, request.request_id


def leaf(history, request_id, name):
    path = (request_id, name)
    return lookup(witness(history.branch, Wanted.of([path])), path)


def test_the_status_follows_the_call():
    history = History()
    request_id = history.receive(a_call(), CANISTER).request_id
    assert leaf(history, request_id, b"status") == Found(b"received")
    history.begin(request_id)
    assert leaf(history, request_id, b"status") == Found(b"processing")
    history.end(request_id, b"reply", NOW_NS)
    assert leaf(history, request_id, b"status") == Found(b"replied")
    assert leaf(history, request_id, b"reply") == Found(b"reply")
    assert leaf(history, request_id, b"reject_code") == Absent()


def test_a_reject_shows_its_codes_and_no_reply():
    history, request_id = ended(Reject("IC0503", "trapped"))
    assert leaf(history, request_id, b"status") == Found(b"rejected")
    assert leaf(history, request_id, b"reject_code") == Found(b"\x05")
    assert leaf(history, request_id, b"error_code") == Found(b"IC0503")
    assert leaf(history, request_id, b"reject_message") == Found(b"trapped")
    assert leaf(history, request_id, b"reply") == Absent()


def test_an_outcome_is_kept_for_five_minutes():
    history, request_id = ended(b"reply")
    history.forget_old(NOW_NS + KEPT_NS)
    assert history.find(request_id) is not None
    history.forget_old(NOW_NS + KEPT_NS + 1)
    assert history.find(request_id) is None
    assert leaf(history, request_id, b"status") == Absent()


def test_a_request_is_known_until_it_expires():
    expiry_ns = NOW_NS + KEPT_NS + MINUTE_NS
    history, request_id = ended(b"reply", expiry_ns=expiry_ns)
    history.forget_old(expiry_ns)
    assert history.find(request_id) is not None
    history.forget_old(expiry_ns + 1)
    assert len(history) == 0


def test_a_call_that_has_not_ended_is_never_forgotten():
    history = History()
    request_id = history.receive(a_call(), CANISTER).request_id
    history.forget_old(NOW_NS + 100 * KEPT_NS)
    assert history.find(request_id) is not None


@pytest.mark.parametrize("outcome", [b"reply", b"", Reject("IC0301", "not found")])
def test_an_outcome_survives_being_written_down(outcome):
    history, request_id = ended(outcome)
    again = History.from_attachments(history.to_attachments())
    assert again.branch.digest == history.branch.digest
    found = again.find(request_id)
    assert (found.sender, found.canister_id) == (ALICE.principal, CANISTER)
    again.forget_old(NOW_NS + KEPT_NS + 1)
    assert len(again) == 0


def test_a_call_that_has_begun_is_still_processing_when_it_is_read_back():
    history = History()
    request_id = history.receive(a_call(), CANISTER).request_id
    history.begin(request_id)
    again = History.from_attachments(history.to_attachments())
    assert again.branch.digest == history.branch.digest
    assert (again.find(request_id).status, again.find(request_id).outcome) == ("processing", None)
    again.end(request_id, b"late", NOW_NS)
    again.forget_old(NOW_NS + KEPT_NS + 1)
    assert len(again) == 0


def test_calls_that_have_not_begun_are_not_written_down():
    history, request_id = ended(b"reply")
    history.receive(a_call(b"2"), CANISTER)
    again = History.from_attachments(history.to_attachments())
    assert len(again) == 1
    assert again.find(request_id) is not None


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xa0", b"\x81\x01", b"\x81\xa0"])
def test_other_bytes_are_no_history(data):
    with pytest.raises(DecodeError):
        History.from_attachments({"history": data})
