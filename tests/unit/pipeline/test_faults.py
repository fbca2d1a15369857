"""What is known of a call that ended with an error, and what is written down of it."""

import asyncio

import pytest

from juno_snap.errors import (
    DecodeError,
    IdentityError,
    OutcomeUnknownError,
    PreconditionError,
    RejectedError,
    TransportError,
    TrustError,
)
from juno_snap.pipeline.sending import (
    CLOCK_SKEW,
    call_state_after,
    error_evidence,
    leaves_outcome_unknown,
)


def rejected(error_code="IC0503", message="trapped", *, certified=True):
    return RejectedError(message, reject_code=5, error_code=error_code, certified=certified)


def transport(*, maybe_delivered):
    return TransportError("no route", url="http://x", maybe_delivered=maybe_delivered)


UNKNOWN = OutcomeUnknownError("?", request_id=b"\x01" * 32, expires_at_ns=1)
ENDS = [
    pytest.param(rejected(), "rejected", id="a certified reject is an outcome"),
    pytest.param(rejected(certified=False), "open", id="an uncertified one is a node's claim"),
    pytest.param(transport(maybe_delivered=False), "not-executed", id="it never left"),
    pytest.param(transport(maybe_delivered=True), "open", id="it may have arrived"),
    pytest.param(UNKNOWN, "open", id="nobody could say"),
    pytest.param(TrustError("forged"), "open", id="an answer that cannot be believed"),
    pytest.param(TrustError("late", code=CLOCK_SKEW), "not-executed", id="our clock is wrong"),
    pytest.param(DecodeError("garbage"), "open", id="an answer that cannot be read"),
    pytest.param(IdentityError("no key"), "not-executed", id="it could not be signed"),
    pytest.param(PreconditionError("full", code="journal-full"), "not-executed", id="unwritten"),
    pytest.param(ZeroDivisionError("a bug of ours"), "open", id="a bug of ours"),
    pytest.param(asyncio.CancelledError(), "open", id="cancelled"),
]


@pytest.mark.parametrize(("error", "state"), ENDS)
def test_only_what_is_certain_counts_as_an_outcome(error, state):
    assert call_state_after(error) == state
    assert leaves_outcome_unknown(error) is (state == "open")


@pytest.mark.parametrize(
    ("error", "is_temporary"),
    [
        (rejected("IC0209", "install rate limited"), True),
        (rejected("IC0210", "heap delta"), True),
        (rejected("IC0504", "the heap delta of the subnet is too high"), True),
        (rejected("IC0406", "snapshot is not currently loadable"), True),
        (rejected("IC0210", "heap delta", certified=False), False),
        (rejected("IC0503"), False),
        (transport(maybe_delivered=False), False),
    ],
)
def test_only_a_certified_refusal_passes_by_itself(error, is_temporary):
    assert error_evidence(error).get("is_temporary", False) is is_temporary


def test_what_is_written_down_of_an_error_says_what_to_do():
    error = PreconditionError("somebody has changed it", code="disturbed", hint="plan again")
    assert error_evidence(error) == {
        "error": "disturbed",
        "message": "somebody has changed it",
        "hint": "plan again",
    }
    assert error_evidence(rejected())["error_code"] == "IC0503"
    assert error_evidence(ZeroDivisionError("x"))["error"] == "ZeroDivisionError"
