"""Health checks of modules on a local replica: ok, bad, or not evaluated."""

import contextlib
import sys
import time
from dataclasses import dataclass, field

import pytest

from juno_snap.agent.agent import AgentOptions, open_agent
from juno_snap.agent.polling import PollPolicy
from juno_snap.agent.retry import RetryPolicy
from juno_snap.errors import PreconditionError
from juno_snap.events import Notice, Waiting
from juno_snap.ids import Principal
from juno_snap.management.client import ManagementClient
from juno_snap.pipeline.checks.evaluate import CALL_TTL_SECONDS, evaluate_checks
from juno_snap.pipeline.checks.parse import command_check, parse_check
from juno_snap.replica.faults import parse_fault
from juno_snap.replica.options import ReplicaOptions
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.samples import sample
from juno_snap.replica.server import run_replica
from tests.fake_clock import FakeClock
from tests.integration.management_world import OWNER, with_section
from tests.integration.pipeline_world import V2, install, install_with_document

pytestmark = pytest.mark.anyio

# As patient as the tests want to wait for what never comes.
RETRY = RetryPolicy(first_wait_seconds=0.01, longest_wait_seconds=0.02, budget_seconds=0.05)
POLL = PollPolicy(
    first_wait_seconds=0.01,
    longest_wait_seconds=0.02,
    budget_seconds=0.3,
    catch_up_seconds=0.1,
)

PATIENT = wasm_from_text("""
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (memory 1)
  (data (i32.const 0) "DIDL\\00\\01\\7d\\03")
  (data (i32.const 32) "not today")
  (func $three (call $append (i32.const 0) (i32.const 8)) (call $reply))
  (func (export "canister_query three") (call $three))
  (func (export "canister_query trap") unreachable)
  (func (export "canister_query refuse") (call $reject (i32.const 32) (i32.const 9)))
  (func (export "canister_query garbage") (call $append (i32.const 32) (i32.const 9)) (call $reply))
  (func (export "canister_update silent"))
  (func (export "canister_update tell") (call $three))
  (func (export "canister_composite_query gather") (call $three))
)
""")
DID = b"""service : {
  three : () -> (nat) query; trap : () -> (nat) query; tell : (nat64) -> (nat);
  gather : () -> (nat) composite_query;
}"""
DESCRIBED = with_section(PATIENT, "icp:public candid:service", DID)


@dataclass
class World:
    """A module, and what an evaluation sent and told."""

    client: ManagementClient
    module: Principal
    started_at_ns: int
    clock: FakeClock = field(default_factory=FakeClock)
    events: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    lifetimes: list = field(default_factory=list)
    """Of the calls, in seconds."""

    async def send(self, prepared):
        """An update call, noted with the seconds since the beginning."""
        self.calls.append((prepared.method, round(self.clock.monotonic_ns() / 1e9)))
        self.lifetimes.append((prepared.expires_at_ns - time.time_ns()) / 1e9)
        return await self.client.agent.submit(prepared)

    async def results(self, *checks, timeout_seconds=60):
        specs = [parse_check(each) if isinstance(each, str) else each for each in checks]
        results = await evaluate_checks(
            specs,
            client=self.client,
            module=self.module,
            not_before_ns=self.started_at_ns,
            timeout_seconds=timeout_seconds,
            send=self.send,
            clock=self.clock,
            observer=self.events.append,
        )
        assert [result.name for result in results] == [spec.text for spec in specs]
        return results

    async def result(self, check, **more):
        (result,) = await self.results(check, **more)
        return result


@contextlib.asynccontextmanager
async def world_of(*faults, wasm=PATIENT):
    """A module that was just started; with ``wasm=V2`` it holds a document."""
    options = ReplicaOptions(faults=tuple(map(parse_fault, faults)))
    with run_replica(options) as replica:
        chosen = AgentOptions(url=replica.url, root_key=replica.root_key, retry=RETRY, poll=POLL)
        async with await open_agent(chosen, OWNER) as agent:
            client = ManagementClient(agent)
            make = install_with_document if wasm == V2 else install
            module = await make(client, wasm)
            yield World(client, module, await client.start_canister(module))


async def test_a_good_module_is_good_at_once_and_nothing_is_called():
    async with world_of(wasm=V2) as world:
        results = await world.results(
            'version() == "0.2.0"',
            'version() == ("0.2.0")',
            "count_documents() == 1",
            'document("greeting") == opt "hello"',
            'document("other") == null',
            "version == 0.2.0",
            command_check([sys.executable, "-c", "print('fine')"]),
        )
        assert [result.ok for result in results] == [True] * 7
        assert results[0].detail == 'replied ("0.2.0")'
        assert results[-1].detail == "exit code 0: fine"
        assert world.calls == []
        assert world.events == []


async def test_another_reply_is_bad_once_a_call_certifies_it_at_the_end():
    async with world_of(wasm=V2) as world:
        good, bad = await world.results('version() == "0.2.0"', "count_documents() == 2")
        assert good.ok
        assert bad.ok is False
        assert bad.detail == "replied (1 : nat), expected 2"
        assert [method for method, _ in world.calls] == ["count_documents"] * 4
        assert [second for _, second in world.calls] == sorted({s for _, s in world.calls})
        assert world.calls[-1][1] == 60
        assert world.clock.monotonic_ns() == 60 * 10**9
        assert max(world.lifetimes) <= CALL_TTL_SECONDS < world.client.agent.call_ttl_seconds


async def test_it_is_told_what_is_waited_for():
    async with world_of(wasm=V2) as world:
        await world.results("count_documents() == 2", timeout_seconds=3)
        assert {type(event) for event in world.events} == {Waiting}
        assert "count_documents() == 2" in world.events[0].reason
        remaining = [event.remaining_seconds for event in world.events]
        assert remaining == sorted(remaining, reverse=True)
        assert remaining[0] == 3


@pytest.mark.parametrize(
    ("check", "detail"),
    [
        ("trap() == 3", "IC0502"),
        ("refuse() == 3", "not today"),
        ("silent() == 3", "IC0506"),
        ("garbage() == 3", "no Candid"),
        ("three() == 4", "replied (3 : nat), expected 4"),
        ('three() == "3"', 'expected "3"'),
        ("tell(1) == 4", "replied (3 : nat)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wasm", [PATIENT, DESCRIBED], ids=["bare", "described"])
async def test_what_the_module_does_wrong_is_bad(wasm, check, detail):
    async with world_of(wasm=wasm) as world:
        result = await world.result(check, timeout_seconds=1)
        assert result.ok is False
        assert detail in result.detail


async def test_a_missing_method_is_bad_and_not_waited_for():
    async with world_of() as world:
        result = await world.result("missing() == 3")
        assert result.ok is False
        assert "IC0536" in result.detail
        assert world.clock.sleeps == []
        assert world.calls == [("missing", 0)]


@pytest.mark.parametrize("wasm", [PATIENT, DESCRIBED], ids=["bare", "described"])
async def test_an_update_method_is_called_once_if_it_is_good(wasm):
    async with world_of(wasm=wasm) as world:
        assert (await world.result("tell(1) == 3")).ok
        assert world.calls == [("tell", 0)]


async def test_a_module_that_warms_up_is_waited_for():
    async with world_of(wasm=sample("counter")) as world:
        assert (await world.result("increment() == 3")).ok
        first, second, third = [second for _, second in world.calls]
        assert (first, second) == (0, 2)
        assert 8 <= third < 32


async def test_without_time_there_is_one_round():
    async with world_of() as world:
        good, bad = await world.results("three() == 3", "three() == 4", timeout_seconds=0)
        assert (good.ok, bad.ok) == (True, False)
        assert world.calls == [("three", 0)]


@pytest.mark.parametrize("wasm", [PATIENT, DESCRIBED], ids=["bare", "described"])
async def test_a_composite_query_cannot_be_bad(wasm):
    async with world_of(wasm=wasm) as world:
        assert (await world.result("gather() == 3")).ok
        result = await world.result("gather() == 4", timeout_seconds=5)
        assert result.ok is None
        assert "a composite query cannot be certified" in result.detail
        assert len(world.calls) == (1 if wasm == PATIENT else 0)


async def test_arguments_that_do_not_fit_are_not_sent():
    async with world_of(wasm=DESCRIBED) as world:
        result = await world.result('tell("1") == 3', timeout_seconds=1)
        assert result.ok is None
        assert "the arguments do not fit tell" in result.detail
        assert world.calls == []


async def test_a_wrong_version_in_metadata_is_bad_at_once():
    async with world_of(wasm=V2) as world:
        result = await world.result("version == 0.3.0")
        assert (result.ok, result.detail) == (False, "the module is of version 0.2.0")
        assert world.clock.sleeps == []


async def test_a_version_without_metadata_is_asked_of_the_module():
    async with world_of(wasm=sample("counter")) as world:
        assert (await world.result("version == 1.0.0")).ok
        assert (await world.result("version == 1.0.1", timeout_seconds=1)).ok is False
        assert [method for method, _ in world.calls] == ["version"]


@pytest.mark.parametrize("code", ["IC0503", "IC0536", "IC0508", "IC0207"])
async def test_a_node_that_lies_in_a_query_is_not_believed(code):
    async with world_of(f"reject={code}@query", wasm=V2) as world:
        assert (await world.result("count_documents() == 1")).ok
        assert (await world.result("count_documents() == 2", timeout_seconds=1)).ok is False


@pytest.mark.parametrize(
    "fault", ["http=503@query", "http=429@query", "drop-before@query", "http=503@read_state"]
)
async def test_an_unreachable_node_says_nothing(fault):
    async with world_of(fault, wasm=V2) as world:
        for check in ("count_documents() == 1", "count_documents() == 2"):
            result = await world.result(check)
            assert result.ok is None
            assert result.detail
        assert world.calls == []


async def test_a_node_that_lags_behind_the_start_says_nothing():
    async with world_of("old-state=60s@read_state", wasm=V2) as world:
        for check in ('version() == "0.2.0"', 'version() == "9"', "version == 9.9.9"):
            result = await world.result(check, timeout_seconds=1)
            assert result.ok is None
            assert "before the call that was made" in result.detail
        assert world.calls == []


async def test_a_node_that_does_not_answer_in_time_says_nothing():
    async with world_of("delay=2s@query", wasm=V2) as world:
        slow = parse_check("count_documents() == 2", timeout_seconds=0.1)
        result = await world.result(slow, timeout_seconds=1)
        assert (result.ok, result.detail) == (None, "no answer within 0.1 s")


async def test_a_fault_that_passes_is_waited_out():
    async with world_of("http=503x20@query", "drop-before=5@read_state", wasm=V2) as world:
        assert (await world.result("count_documents() == 1")).ok


async def test_what_was_bad_and_cannot_be_asked_any_more_is_not_evaluated():
    async with world_of("http=503+6@query", wasm=V2) as world:
        result = await world.result("count_documents() == 2")
        assert len(world.calls) == 1
        assert result.ok is None
        assert "before that: replied (1 : nat), expected 2" in result.detail


@pytest.mark.parametrize(
    "fault",
    ["refuse=IC0503@call:trap", "refuse=IC0207@call:trap", "http=503@call:trap",
     "drop-before@call:trap", "reject=IC0508@call:trap",
     "reject=IC0207@call:trap", "reject=IC0202@call:trap", "accept-forever@call:trap"],
)  # fmt: skip
async def test_a_call_without_a_certified_fault_of_the_code_says_nothing(fault):
    async with world_of(fault) as world:
        assert (await world.result("trap() == 3", timeout_seconds=0)).ok is None
        assert world.calls == [("trap", 0)]


@pytest.mark.parametrize("fault", ["drop-after@call:trap", "http-after=503@call:trap"])
async def test_a_call_whose_answer_is_lost_is_asked_for_and_can_be_bad(fault):
    async with world_of(fault) as world:
        assert (await world.result("trap() == 3", timeout_seconds=0)).ok is False


async def test_no_further_call_is_sent_after_one_without_an_outcome():
    async with world_of("accept-forever@call:trap") as world:
        first, second = await world.results("trap() == 3", "silent() == 3", timeout_seconds=1)
        assert (first.ok, second.ok) == (None, None)
        assert "not known" in first.detail
        assert "while an earlier one has no outcome" in second.detail
        assert world.calls == [("silent", 0), ("trap", 1)]


async def test_a_query_may_be_certified_while_an_earlier_call_has_no_outcome():
    async with world_of("accept-forever@call:trap", wasm=DESCRIBED) as world:
        first, second = await world.results("trap() == 3", "three() == 4", timeout_seconds=0)
        assert (first.ok, second.ok) == (None, False)


async def test_a_certificate_that_cannot_be_believed_is_told_and_says_nothing():
    async with world_of("certificate=forged@call:trap") as world:
        result = await world.result("trap() == 3", timeout_seconds=0)
        assert result.ok is None
        (notice,) = world.events
        assert isinstance(notice, Notice)
        assert notice.warning
        assert notice.text.startswith("while checking: ")


async def test_a_stopped_module_says_nothing_of_its_code():
    async with world_of(wasm=V2) as world:
        await world.client.stop_canister(world.module)
        result = await world.result("count_documents() == 2", timeout_seconds=1)
        assert result.ok is None
        assert "IC0508" in result.detail


async def test_what_the_journal_refuses_ends_the_evaluation():
    async with world_of() as world:

        async def send(prepared):
            raise PreconditionError("the journal is full", code="journal-full")

        world.send = send
        with pytest.raises(PreconditionError):
            await world.result("three() == 4", timeout_seconds=0)


def python(code, *, seconds=10):
    return command_check([sys.executable, "-c", code], timeout_seconds=seconds)


@pytest.mark.parametrize(("code", "ok"), [(0, True), (1, False), (75, None), (127, None)])
async def test_a_command_decides_by_its_exit_code(code, ok):
    async with world_of() as world:
        result = await world.result(python(f"raise SystemExit({code})"), timeout_seconds=0)
        assert (result.ok, result.detail) == (ok, f"exit code {code}")


async def test_a_command_is_asked_again_while_the_module_warms_up(tmp_path):
    marks = tmp_path / "marks"
    counting = f"""
path = {str(marks)!r}
open(path, 'a').write('x')
raise SystemExit(len(open(path).read()) < 3)
"""
    async with world_of() as world:
        assert (await world.result(python(counting))).ok
        assert marks.read_text() == "xxx"


async def test_a_command_that_hangs_is_ended_and_says_nothing():
    async with world_of() as world:
        hanging = python("import time; print('begun', flush=True); time.sleep(600)", seconds=1)
        result = await world.result(hanging, timeout_seconds=0)
        assert result.ok is None
        assert result.detail == "had not ended after 1 s and was killed: begun"


async def test_a_command_that_prints_megabytes_is_drained_and_told_in_short():
    async with world_of() as world:
        talking = (
            "import sys; [sys.stdout.write('x' * 10**6 + '\\n') for _ in range(20)]; sys.exit(1)"
        )
        result = await world.result(python(talking), timeout_seconds=0)
        assert result.ok is False
        assert len(result.detail) <= 500


@pytest.mark.parametrize("program", ["no-such-program", "/no/such/program", "/"])
async def test_a_command_that_cannot_be_executed_says_nothing(program):
    async with world_of() as world:
        result = await world.result(command_check([program]), timeout_seconds=0)
        assert result.ok is None
        assert "cannot be run" in result.detail


async def test_a_command_knows_the_module_and_no_secret(monkeypatch):
    for name in ("JUNO_TOKEN", "JUNO_SNAP_IDENTITY_PASSWORD", "JUNO_SNAP_JUNO_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    telling = "import os; print(os.environ['JUNO_SNAP_MODULE'], 'secret' in os.environ.values())"
    async with world_of() as world:
        result = await world.result(python(telling))
        assert result.detail == f"exit code 0: {world.module} False"
