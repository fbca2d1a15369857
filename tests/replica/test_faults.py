"""Each fault as a client sees it that knows HTTP and the wire, and nothing of our agent."""

import httpx
import pytest

from juno_snap.errors import TrustError
from juno_snap.ids import MANAGEMENT_CANISTER
from juno_snap.replica.candid_types import CANISTER_ID
from juno_snap.wire import cbor
from juno_snap.wire.candid import encode
from juno_snap.wire.query_response import QueryRejected, QueryReplied
from juno_snap.wire.request_status import Rejected, StatusAbsent
from tests.replica.faulty_replica import NOTHING, GatedClock, faulty, replied

SECOND_NS = 1_000_000_000


def test_a_delayed_request_is_looked_at_later():
    clock = GatedClock()
    with faulty("delay=500ms@call:increment", clock=clock) as world:
        assert world.outcome(world.increment()) == replied(1)
        assert clock.sleeps == [0.5]
        (line,) = world.logged()
        assert line["faults"] == ["delay=500ms@call:increment"]
        assert line["outcome"] == "replied"


def test_a_connection_that_breaks_before_leaves_nothing_done():
    with faulty("drop-before=1@call:increment") as world:
        content = world.increment()
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            world.send(content)
        assert world.status(content) is None
        assert world.count() == 0
        assert world.outcome(content) == replied(1)
        (line,) = world.logged()
        assert (line["status"], line["outcome"]) == (0, "nothing done, then broken off")


def test_a_connection_that_breaks_after_leaves_everything_done():
    with faulty("drop-after=1@call:increment") as world:
        content = world.increment()
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            world.send(content)
        assert world.status(content) == b"replied"
        assert world.outcome(content) == replied(1)
        assert world.count() == 1
        (line,) = world.logged()
        assert (line["status"], line["outcome"]) == (0, "replied, then broken off")
        assert line["round"] == 3


@pytest.mark.parametrize("spec", ["drop-before=1@{}", "drop-after=1@{}"])
@pytest.mark.parametrize("place", ["query:read", "read_state"])
def test_connections_of_questions_break_too(spec, place):
    with faulty(spec.format(place)) as world:
        ask = world.count if place == "query:read" else lambda: world.client.read(world.counter)
        with pytest.raises(httpx.RemoteProtocolError):
            ask()
        ask()


def test_an_http_status_stands_in_place_of_everything():
    with faulty("http=503x2@call:increment", "http=429x1@read_state") as world:
        content = world.increment()
        for _ in range(2):
            answer = world.send(content)
            assert answer.status_code == 503
            assert answer.text == "This was ordered: --fault http=503x2@call:increment"
        assert world.client.post_read(world.counter).status_code == 429
        assert world.status(content) is None
        assert world.outcome(content) == replied(1)
        assert [line["status"] for line in world.logged()] == [503, 503, 429]


def test_an_http_status_may_come_after_everything():
    with faulty("http-after=502x1@call:increment") as world:
        content = world.increment()
        assert world.send(content).status_code == 502
        assert world.count() == 1
        assert world.outcome(content) == replied(1)
        assert world.logged()[0]["outcome"] == "replied, then 502"


def test_a_node_refuses_a_call_without_a_certificate():
    with faulty("refuse=IC0301x2@call:increment") as world:
        content = world.increment()
        fields = cbor.decode_map(world.send(content).content)
        assert fields == {
            "status": "non_replicated_rejection",
            "reject_code": 3,
            "reject_message": "This was ordered: --fault refuse=IC0301x2@call:increment",
            "error_code": "IC0301",
        }
        assert "status" not in cbor.decode_map(world.send(content, version=2).content)
        assert world.status(content) is None
        assert world.outcome(content) == replied(1)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_call_is_accepted_for_ever_and_never_runs(version):
    with faulty("accept-forever@call:increment") as world:
        content = world.increment()
        for _ in range(3):
            assert world.send(content, version).status_code == 202
        assert world.status(content) is None
        assert world.count() == 0


def test_a_late_call_is_unknown_until_it_runs():
    clock = GatedClock(is_open=False)
    with faulty("late=3s@call:increment", clock=clock, sync_call_seconds=0.5) as world:
        content = world.increment()
        assert world.send(content).status_code == 202
        assert world.status(content) is None
        assert world.count() == 0
        clock.gate.set()
        while world.status(content) != b"replied":
            pass
        assert clock.sleeps == [3.0]
        assert world.outcome(content) == replied(1)
        assert world.count() == 1


def test_who_waits_for_a_late_call_gets_its_outcome():
    with faulty("late=1ms@call:increment") as world:
        assert world.outcome(world.increment()) == replied(1)
        assert world.logged()[0]["faults"] == ["late=1ms@call:increment"]


def test_a_late_call_that_is_sent_again_runs_at_once_and_only_once():
    clock = GatedClock(is_open=False)
    with faulty("late=3s@call:increment", clock=clock, sync_call_seconds=0.5) as world:
        content = world.increment()
        assert world.send(content).status_code == 202
        answer = world.send(content)
        while answer.status_code == 202:
            answer = world.send(content)
        assert world.client.outcome(answer, content) == replied(1)
        clock.gate.set()
        assert world.outcome(world.increment()) == replied(2)
        assert clock.sleeps == [3.0, 3.0]


def test_a_late_call_that_has_expired_never_runs():
    clock = GatedClock(is_open=False)
    with faulty("late=3sx1@call:increment", clock=clock, sync_call_seconds=0.5) as world:
        content = world.increment(expiry_ns=clock.now_ns() + SECOND_NS // 2)
        assert world.send(content).status_code == 202
        while clock.now_ns() <= content.ingress_expiry_ns:
            pass
        clock.gate.set()
        assert world.outcome(world.increment()) == replied(1)
        assert world.status(content) is None


def test_a_replica_stops_with_calls_that_are_held_back():
    with faulty("late=999s@call:increment", sync_call_seconds=0.5) as world:
        assert world.send(world.increment()).status_code == 202


def test_a_rejected_call_has_a_certified_outcome_and_did_not_run():
    with faulty("reject=IC0210x2@call:increment") as world:
        first = world.increment()
        rejected = Rejected(
            code=2,
            message="This was ordered: --fault reject=IC0210x2@call:increment",
            error_code="IC0210",
        )
        assert world.outcome(first) == rejected
        assert world.outcome(first) == rejected  # the same call, which is not counted again
        assert world.outcome(world.increment()) == rejected
        assert world.count() == 0
        assert world.outcome(world.increment()) == replied(1)
        assert [line["outcome"] for line in world.logged()] == ["rejected IC0210"] * 2


def test_a_rejected_query_is_signed_by_the_node():
    with faulty("reject=IC0503x1@query:read") as world:
        response, _ = world.client.query(world.counter, "read", NOTHING)
        assert isinstance(response, QueryRejected)
        assert (response.reject_code, response.error_code) == (5, "IC0503")
        assert len(response.signatures) == 1
        response, _ = world.client.query(world.counter, "read", NOTHING)
        assert isinstance(response, QueryReplied)


def test_a_method_of_the_management_canister_is_named_like_any_other():
    with faulty("reject=IC0504x1@call:stop_canister") as world:
        client, target = world.client, world.counter
        payload = encode([CANISTER_ID], [{"canister_id": target}])
        stopped = client.call(MANAGEMENT_CANISTER, "stop_canister", payload, target=target)
        assert isinstance(stopped, Rejected)
        assert world.outcome(world.increment()) == replied(1)
        client.manage("stop_canister", target, canister_id=target)


def test_an_old_state_shows_what_there_was():
    with faulty("old-state=30s+1@read_state") as world:
        path = (b"canister", world.counter.raw, b"module_hash")
        now = world.client.read(world.counter, path)
        assert now.find(path, "the hash") is not None
        old = world.client.read(world.counter, path)
        assert old.find(path, "the hash") is None
        assert 29 * SECOND_NS < now.time_ns - old.time_ns < 31 * SECOND_NS


def test_an_old_state_does_not_know_the_call_that_it_answers():
    with faulty("old-state=30sx1@call:increment") as world:
        content = world.increment()
        assert world.outcome(content) == StatusAbsent()
        assert world.outcome(content) == replied(1)


def test_an_old_state_is_as_old_as_it_is_said_to_be():
    with faulty("old-state=1ms@read_state") as world:
        content = world.increment()
        before = world.client.read(world.counter).time_ns
        assert world.outcome(content) == replied(1)
        while world.client.read(world.counter).time_ns < before + SECOND_NS // 500:
            pass
        assert world.status(content) == b"replied"


FLAWS = [
    ("forged", "certificate-signature"),
    ("stale", "certificate-stale"),
    ("wrong-delegation", "certificate-delegation"),
    ("wrong-range", "certificate-range"),
]


@pytest.mark.parametrize(("flaw", "code"), FLAWS)
def test_a_hostile_certificate_does_not_hold(flaw, code):
    specs = [f"certificate={flaw}x1@{place}" for place in ("read_state", "call:increment")]
    with faulty(*specs) as world:
        content = world.increment()
        for ask in (lambda: world.client.read(world.counter), lambda: world.outcome(content)):
            with pytest.raises(TrustError) as caught:
                ask()
            assert caught.value.code == code
        assert world.outcome(content) == replied(1)
        assert [line["faults"] for line in world.logged()] == [[spec] for spec in specs]


def test_a_pruned_certificate_holds_and_hides_what_was_asked_for():
    with faulty("certificate=prunedx1@read_state", "certificate=prunedx1@call:increment") as world:
        path = (b"canister", world.counter.raw, b"module_hash")
        content = world.increment()
        hidden = world.client.read(world.counter, path)
        for ask in (lambda: hidden.find(path, "the hash"), lambda: world.outcome(content)):
            with pytest.raises(TrustError) as caught:
                ask()
            assert caught.value.code == "certificate-pruned"
        assert world.outcome(content) == replied(1)


def test_a_replica_without_faults_says_nothing_of_them():
    with faulty() as world:
        assert world.outcome(world.increment()) == replied(1)
        assert world.logged() == []
        assert '"faults"' not in world.log.read_text()
        assert "install_code" in world.log.read_text()


def test_a_malformed_request_meets_the_faults_of_its_place():
    with faulty("http=503x1+2@call", "http=429x1@call:increment") as world:
        statuses = [
            world.client.post("call", world.counter, b"nothing", version=4).status_code
            for _ in range(2)
        ]
        assert statuses == [503, 400]
