"""The grammar of faults, and the order in which they happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import InputError
from juno_snap.replica.background import command_line
from juno_snap.replica.fault_plan import FaultPlan, RequestFaults
from juno_snap.replica.faults import (
    FLAWS,
    SENSIBLE,
    Fault,
    FaultKind,
    FaultSpecError,
    parse_fault,
)
from juno_snap.replica.options import ReplicaOptions


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (
            "delay=500ms@call:install_code",
            Fault(kind=FaultKind.DELAY, value="500ms", place="call", method="install_code"),
        ),
        (
            "drop-before=1@call:stop_canister",
            Fault(kind=FaultKind.DROP_BEFORE, times=1, place="call", method="stop_canister"),
        ),
        ("drop-after@query", Fault(kind=FaultKind.DROP_AFTER, place="query")),
        ("late=3s+2@*", Fault(kind=FaultKind.LATE, value="3s", skip=2)),
        (
            "reject=IC0210x3@call:take_canister_snapshot",
            Fault(
                kind=FaultKind.REJECT,
                value="IC0210",
                times=3,
                place="call",
                method="take_canister_snapshot",
            ),
        ),
        ("refuse=IC0301@call", Fault(kind=FaultKind.REFUSE, value="IC0301", place="call")),
        ("http=503x5@*", Fault(kind=FaultKind.HTTP, value="503", times=5)),
        ("http-after=502@call", Fault(kind=FaultKind.HTTP_AFTER, value="502", place="call")),
        (
            "http=429x3@read_state",
            Fault(kind=FaultKind.HTTP, value="429", times=3, place="read_state"),
        ),
        ("accept-forever@call", Fault(kind=FaultKind.ACCEPT_FOREVER, place="call")),
        (
            "old-state=30s@read_state",
            Fault(kind=FaultKind.OLD_STATE, value="30s", place="read_state"),
        ),
        (
            "certificate=wrong-delegationx1+7@*",
            Fault(kind=FaultKind.CERTIFICATE, value="wrong-delegation", times=1, skip=7),
        ),
        (
            "delay=1s@query:a method@home:2",
            Fault(kind=FaultKind.DELAY, value="1s", place="query", method="a method@home:2"),
        ),
    ],
)
def test_a_spec_says_what_happens_and_a_fault_gives_it_back(spec, fault):
    assert parse_fault(spec) == fault
    assert str(fault) == spec


@pytest.mark.parametrize(
    ("spec", "position", "expected"),
    [
        ("", 1, "delay or http or drop-before"),
        ("delai=5s@*", 1, "delay or http or drop-before"),
        ("delays=5s@*", 6, "'='"),
        ("http@*", 5, "'='"),
        ("delay=5@*", 7, "a time like 500ms or 3s"),
        ("delay=5m@*", 7, "a time like 500ms or 3s"),
        ("http=200@*", 6, "a status from 400 to 599"),
        ("http=503y@*", 9, "'@'"),
        ("http=503x@*", 10, "a number from 1"),
        ("http=503x0@*", 10, "a number from 1"),
        ("http=503+0@*", 10, "a number from 1"),
        ("drop-after=0@call", 12, "a number from 1"),
        ("drop-after=x1@call", 12, "a number from 1"),
        ("reject=IC0710@call", 8, "an error code like IC0210"),
        ("certificate=bad@*", 13, "forged or stale or pruned or wrong-delegation or wrong-range"),
        ("accept-forever=1@call", 15, "'@'"),
        ("late=3s@query", 9, "call or *"),
        ("certificate=forged@query", 20, "call or read_state or *"),
        ("http=503", 9, "'@'"),
        ("http=503@", 10, "call or query or read_state or *"),
        ("http=503@calls", 14, "the end"),
        ("http=503@*:install_code", 11, "the end"),
        ("http=503@read_state:time", 20, "the end"),
        ("http=503@call:", 15, "the name of a method"),
    ],
)
def test_a_spec_that_says_nothing_is_refused_where_it_goes_wrong(spec, position, expected):
    with pytest.raises(FaultSpecError) as caught:
        parse_fault(spec)
    error = caught.value
    assert error.position == position
    assert f" is no fault: {expected}" in error.message
    assert f" is expected at position {position}, not " in error.message
    assert error.fields == {"value": spec, "position": position}
    assert isinstance(error, InputError)
    assert parse_fault(error.hint.split()[2].rstrip(";"))


values = {
    FaultKind.DELAY: st.sampled_from(["1ms", "20s"]),
    FaultKind.LATE: st.sampled_from(["1ms", "20s"]),
    FaultKind.OLD_STATE: st.sampled_from(["1ms", "20s"]),
    FaultKind.HTTP: st.integers(400, 599).map(str),
    FaultKind.HTTP_AFTER: st.integers(400, 599).map(str),
    FaultKind.REJECT: st.just("IC0503"),
    FaultKind.REFUSE: st.just("IC0301"),
    FaultKind.CERTIFICATE: st.sampled_from(FLAWS),
}


@st.composite
def faults(draw):
    kind = draw(st.sampled_from(FaultKind))
    place = draw(st.sampled_from([None, *SENSIBLE.get(kind, ("call", "query", "read_state"))]))
    method = (
        draw(st.none() | st.text("ab:@+x=1 \n", min_size=1)) if place in {"call", "query"} else None
    )
    return Fault(
        kind=kind,
        value=draw(values.get(kind, st.just(""))),
        place=place,
        method=method,
        times=draw(st.none() | st.integers(1, 99)),
        skip=draw(st.integers(0, 99)),
    )


@given(faults())
def test_every_fault_can_be_written_and_read(fault):
    assert parse_fault(str(fault)) == fault


@given(st.text("delaythpr=503xs+@*:c"))
def test_other_text_is_refused_with_a_place_in_it(text):
    position = refused_at(text)
    assert position is None or 1 <= position <= len(text) + 1


def refused_at(text):
    try:
        parse_fault(text)
    except FaultSpecError as error:
        return error.position
    return None


def test_times_are_nanoseconds():
    assert parse_fault("delay=500ms@*").duration_ns == 500_000_000
    assert parse_fault("delay=3s@*").duration_ns == 3_000_000_000


def test_a_replica_in_the_background_gets_the_same_faults(tmp_path):
    specs = ["http=503x2@call", "drop-after=1@call:two words"]
    options = ReplicaOptions(directory=tmp_path, faults=tuple(map(parse_fault, specs)))
    assert command_line(options)[-4:] == ["--fault", specs[0], "--fault", specs[1]]


def plan_of(*specs):
    return FaultPlan([parse_fault(spec) for spec in specs])


def what_happens(plan, place="call", method="method"):
    """To one request that goes through all phases, until one ends it."""
    faults = RequestFaults(plan, place, method)
    if not any(fault.kind is not FaultKind.DELAY for fault in faults.before()):
        faults.executing()
        faults.certifying()
        faults.after()
    return " ".join(fault.split("@")[0] for fault in faults.happened)


def test_a_fault_lasts_as_often_as_it_is_said_to():
    plan = plan_of("http=503x2@call")
    assert [what_happens(plan) for _ in range(4)] == ["http=503x2", "http=503x2", "", ""]
    plan = plan_of("drop-before@call")
    assert [what_happens(plan) for _ in range(4)] == ["drop-before"] * 4


def test_a_fault_lets_requests_pass_before():
    plan = plan_of("http=503x1+2@call")
    assert [what_happens(plan) for _ in range(4)] == ["", "", "http=503x1+2", ""]


def test_only_requests_it_is_about_are_counted():
    plan = plan_of("http=503x1@call:this")
    assert what_happens(plan, method="that") == ""
    assert what_happens(plan, place="query", method="this") == ""
    assert what_happens(plan, method="this") == "http=503x1"


def test_everywhere_is_where_it_makes_sense():
    plan = plan_of("refuse=IC0301@*")
    assert what_happens(plan, "query") == what_happens(plan, "read_state") == ""
    assert what_happens(plan) == "refuse=IC0301"
    plan = plan_of("certificate=stale@*")
    assert what_happens(plan, "query") == ""
    assert what_happens(plan, "read_state") == "certificate=stale"


def test_faults_happen_one_after_the_other():
    plan = plan_of("http=503x2@call", "drop-before=1@call", "drop-after=1@call")
    happened = [what_happens(plan) for _ in range(5)]
    assert happened == ["http=503x2", "http=503x2", "drop-before=1", "drop-after=1", ""]


def test_faults_that_end_nothing_come_together():
    plan = plan_of("delay=1s@*", "late=2s@call", "reject=IC0210@call", "old-state=3s@*")
    assert what_happens(plan) == "delay=1s late=2s reject=IC0210 old-state=3s"


def test_of_each_kind_the_first_that_is_left_happens():
    plan = plan_of("delay=1sx1@*", "delay=2s@*")
    assert [what_happens(plan) for _ in range(2)] == ["delay=1sx1", "delay=2s"]
