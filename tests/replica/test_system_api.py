"""The functions of ``ic0``, one by one, on a session without Wasm."""

import pytest

from juno_snap.ids import Principal
from juno_snap.replica.execution import Message
from juno_snap.replica.reject import Reject
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.replica.stable import StableMemory, StableOverlay
from juno_snap.replica.system_api import HOST_FUNCTIONS
from juno_snap.replica.system_api.session import Session
from juno_snap.replica.system_api.signatures import Context, all_signatures, signature_of
from juno_snap.replica.traps import ExecutionError, trapped
from tests.replica.engine import CANISTER, USER, Bench, environment, reason, spelled

NOWHERE = 900
ZERO16 = bytes(16)


class Array:
    """Memory of 1000 bytes, and a canister that has run 77 instructions."""

    def __init__(self):
        self.content = bytearray(1000)

    def read(self, address, size):
        if address + size > len(self.content):
            raise trapped("heap out of bounds")
        return bytes(self.content[address : address + size])

    def write(self, address, data):
        if address + len(data) > len(self.content):
            raise trapped("heap out of bounds")
        self.content[address : address + len(data)] = data

    def instructions_used(self):
        return 77


def session(context=Context.UPDATE, *, arg=b"", method="m", stable_pages=0, **changes):
    return Session(
        context=context,
        environment=environment(**changes),
        message=Message(method=method, arg=arg, caller=USER),
        guest=Array(),
        stable=StableOverlay(StableMemory(stable_pages)),
        certified_data=b"",
        global_timer_ns=0,
    )


def put(running, text, address=0):
    running.guest.write(address, text)
    return address, len(text)


def violation(name, *arguments, running=None):
    with pytest.raises(ExecutionError) as broken:
        HOST_FUNCTIONS[name](running or session(), *arguments)
    return broken.value.error_code, broken.value.text


def test_every_import_of_the_specification_has_a_function_and_no_function_is_without_import():
    assert set(HOST_FUNCTIONS) == set(all_signatures("i32"))


def test_a_64_bit_module_has_all_but_the_deprecated_imports():
    missing = set(all_signatures("i32")) - set(all_signatures("i64"))
    assert len(missing) == 9
    assert {"stable_size", "canister_cycle_balance"} <= missing


def test_pointers_have_the_width_of_the_module():
    assert signature_of("msg_caller_copy", "i64").params == ("i64",) * 3
    assert signature_of("msg_caller_copy", "i32").params == ("i32",) * 3
    assert signature_of("stable64_write", "i32").params == ("i64",) * 3
    assert signature_of("launch_missiles", "i32") is None


@pytest.mark.parametrize(
    ("name", "expected", "changes"),
    [
        ("msg_arg_data", b"an argument", {"arg": b"an argument"}),
        ("msg_caller", USER.raw, {}),
        ("canister_self", CANISTER.raw, {}),
        ("subnet_self", b"\x01subnet", {}),
        ("root_key", b"the root key", {}),
        ("msg_method_name", "größe".encode(), {"method": "größe"}),
        ("msg_caller_info_data", b"", {}),
        ("msg_caller_info_signer", b"", {}),
        ("data_certificate", b"signed", {"data_certificate": lambda: b"signed"}),
    ],
)
def test_data_is_asked_for_by_size_and_copied_in_parts(name, expected, changes):
    running = session(**changes)
    size = HOST_FUNCTIONS[f"{name}_size"](running)
    assert size == len(expected)
    HOST_FUNCTIONS[f"{name}_copy"](running, NOWHERE, 0, size)
    assert running.guest.read(NOWHERE, size) == expected
    HOST_FUNCTIONS[f"{name}_copy"](running, 0, size, 0)
    with pytest.raises(ExecutionError):
        HOST_FUNCTIONS[f"{name}_copy"](running, 0, 1, size)
    with pytest.raises(ExecutionError):
        HOST_FUNCTIONS[f"{name}_copy"](running, 0, (1 << 64) - 1, 2)


def test_a_certificate_is_made_when_it_is_asked_for_and_once():
    made = []

    def certificate():
        made.append(1)
        return b"signed"

    running = session(Context.QUERY, data_certificate=certificate)
    assert HOST_FUNCTIONS["data_certificate_present"](running) == 1
    assert made == []
    HOST_FUNCTIONS["data_certificate_size"](running)
    HOST_FUNCTIONS["data_certificate_copy"](running, 0, 0, 6)
    assert made == [1]


def test_without_a_certificate_asking_for_it_breaks_the_contract():
    assert HOST_FUNCTIONS["data_certificate_present"](session()) == 0
    assert violation("data_certificate_size")[0] == "IC0504"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("canister_status", (), 3),
        ("canister_version", (), 12),
        ("time", (), 5),
        ("performance_counter", (0,), 77),
        ("performance_counter", (1,), 77),
        ("msg_deadline", (), 0),
        ("canister_cycle_balance", (), 10**12),
        ("msg_cycles_available", (), 0),
        ("msg_cycles_accept", (9,), 0),
        ("env_var_count", (), 2),
    ],
)
def test_numbers(name, arguments, expected):
    running = session(
        status=3,
        canister_version=12,
        time_ns=5,
        environment_variables=[("A", "1"), ("B", "2")],
    )
    assert HOST_FUNCTIONS[name](running, *arguments) == expected


def test_an_unknown_performance_counter_breaks_the_contract():
    assert violation("performance_counter", 2)[0] == "IC0504"


@pytest.mark.parametrize(
    ("context", "expected"),
    [(Context.UPDATE, 1), (Context.REPLICATED_QUERY, 1), (Context.INIT, 1), (Context.QUERY, 0)],
)
def test_a_canister_knows_whether_all_nodes_run_it(context, expected):
    assert HOST_FUNCTIONS["in_replicated_execution"](session(context)) == expected


def test_a_canister_knows_its_controllers():
    running = session(controllers=frozenset({USER}))
    assert HOST_FUNCTIONS["is_controller"](running, *put(running, USER.raw)) == 1
    assert HOST_FUNCTIONS["is_controller"](running, *put(running, b"\x04")) == 0
    assert violation("is_controller", 0, 30, running=running)[0] == "IC0504"


def test_a_reply_is_collected_in_parts():
    running = session()
    for part in (b"one ", b"two"):
        HOST_FUNCTIONS["msg_reply_data_append"](running, *put(running, part))
    HOST_FUNCTIONS["msg_reply"](running)
    assert running.reply == b"one two"
    assert violation("msg_reply_data_append", 0, 1, running=running)[0] == "IC0504"
    assert violation("msg_reject", 0, 1, running=running)[0] == "IC0504"


@pytest.mark.parametrize(
    ("context", "limit"), [(Context.UPDATE, 2_097_152), (Context.QUERY, 3_145_728)]
)
def test_a_reply_has_a_limit(context, limit):
    running = session(context)
    running.reply_data = bytearray(limit)
    HOST_FUNCTIONS["msg_reply_data_append"](running, 0, 0)
    assert violation("msg_reply_data_append", 0, 1, running=running) == (
        "IC0504",
        (
            "Canister violated contract: ic0.msg_reply_data_append: application payload size"
            f" ({limit + 1}) cannot be larger than {limit}."
        ),
    )


def test_a_rejection_is_text():
    running = session()
    assert violation("msg_reject", *put(running, b"\xff"), running=running)[0] == "IC0504"
    HOST_FUNCTIONS["msg_reject"](running, *put(running, "non è possibile".encode()))
    assert running.rejection == "non è possibile"


def test_a_message_is_accepted_once():
    running = session(Context.INSPECT_MESSAGE)
    HOST_FUNCTIONS["accept_message"](running)
    assert running.accepted
    assert violation("accept_message", running=running)[0] == "IC0504"


def test_a_trap_whose_message_is_out_of_bounds_is_still_a_trap():
    assert violation("trap", 999, 2) == (
        "IC0503",
        "Canister called `ic0.trap` with message: '(trap message out of memory bounds)'",
    )


def test_the_timer_returns_what_it_was():
    running = session()
    assert HOST_FUNCTIONS["global_timer_set"](running, 9) == 0
    assert HOST_FUNCTIONS["global_timer_set"](running, 0) == 9
    assert running.global_timer_ns == 0


def test_certified_data_has_at_most_32_bytes():
    running = session()
    HOST_FUNCTIONS["certified_data_set"](running, *put(running, b"x" * 32))
    assert running.certified_data == b"x" * 32
    assert violation("certified_data_set", 0, 33, running=running)[0] == "IC0504"


@pytest.mark.parametrize("width", ["stable64", "stable"])
def test_stable_memory_in_both_widths(width):
    running = session()
    assert HOST_FUNCTIONS[f"{width}_size"](running) == 0
    assert HOST_FUNCTIONS[f"{width}_grow"](running, 2) == 0
    address, size = put(running, b"kept")
    HOST_FUNCTIONS[f"{width}_write"](running, 65_534, address, size)
    HOST_FUNCTIONS[f"{width}_read"](running, NOWHERE, 65_534, size)
    assert running.guest.read(NOWHERE, size) == b"kept"
    assert HOST_FUNCTIONS[f"{width}_size"](running) == 2


def test_stable_memory_that_cannot_grow_answers_minus_one():
    assert HOST_FUNCTIONS["stable64_grow"](session(), 1 << 40) == (1 << 64) - 1
    assert HOST_FUNCTIONS["stable_grow"](session(), 65_537) == (1 << 32) - 1


def test_the_32_bit_functions_trap_above_4_gib():
    running = session(stable_pages=65_537)
    assert violation("stable_size", running=running) == (
        "IC0502",
        "Canister trapped: 32 bit stable memory api used on a memory larger than 4GB",
    )


def test_environment_variables():
    running = session(environment_variables=[("NAME", "välue"), ("EMPTY", "")])
    name = put(running, b"NAME")
    assert HOST_FUNCTIONS["env_var_name_size"](running, 1) == 5
    HOST_FUNCTIONS["env_var_name_copy"](running, 1, NOWHERE, 1, 4)
    assert running.guest.read(NOWHERE, 4) == b"MPTY"
    assert HOST_FUNCTIONS["env_var_name_exists"](running, *name) == 1
    assert HOST_FUNCTIONS["env_var_value_size"](running, *name) == len("välue".encode())
    HOST_FUNCTIONS["env_var_value_copy"](running, *name, NOWHERE, 0, 6)
    assert running.guest.read(NOWHERE, 6) == "välue".encode()
    other = put(running, b"OTHER", 50)
    assert HOST_FUNCTIONS["env_var_name_exists"](running, *other) == 0
    assert violation("env_var_value_size", *other, running=running)[0] == "IC0504"
    assert violation("env_var_name_size", 2, running=running)[0] == "IC0504"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("canister_cycle_balance128", (NOWHERE,), 1 << 70),
        ("canister_liquid_cycle_balance128", (NOWHERE,), 1 << 70),
        ("msg_cycles_available128", (NOWHERE,), 0),
        ("msg_cycles_refunded128", (NOWHERE,), 0),
        ("msg_cycles_accept128", (1, 2, NOWHERE), 0),
        ("cost_call", (10, 90, NOWHERE), 42_102_512_000),
        ("cost_create_canister", (NOWHERE,), 500_000_000_000),
        ("cost_http_request", (0, 0, NOWHERE), 49_140_000),
    ],
)
def test_cycles_are_written_in_16_bytes(name, arguments, expected):
    running = session(cycles=1 << 70)
    running.guest.write(NOWHERE, b"\xff" * 16)
    HOST_FUNCTIONS[name](running, *arguments)
    assert running.guest.read(NOWHERE, 16) == expected.to_bytes(16, "little")


def test_a_balance_that_does_not_fit_into_64_bits_traps():
    assert violation("canister_cycle_balance", running=session(cycles=1 << 64)) == (
        "IC0502",
        "Canister trapped: cycles amount exceeds 64-bit representation",
    )


def test_burned_cycles_are_gone_and_no_more_than_there_are():
    running = session(cycles=100)
    HOST_FUNCTIONS["cycles_burn128"](running, 0, 30, NOWHERE)
    assert running.guest.read(NOWHERE, 16) == (30).to_bytes(16, "little")
    HOST_FUNCTIONS["cycles_burn128"](running, 1, 0, NOWHERE)
    assert running.guest.read(NOWHERE, 16) == (70).to_bytes(16, "little")
    assert running.balance_cycles == 0
    assert running.cycles_burned == 100


@pytest.mark.parametrize(
    ("scheme", "curve", "key", "expected"),
    [
        ("sign_with_ecdsa", 0, b"key_1", 0),
        ("sign_with_ecdsa", 1, b"key_1", 1),
        ("sign_with_schnorr", 1, b"test_key_1", 0),
        ("sign_with_schnorr", 2, b"test_key_1", 1),
        ("vetkd_derive_key", 0, b"no key", 2),
    ],
)
def test_the_price_of_a_signature_depends_on_curve_and_key(scheme, curve, key, expected):
    running = session()
    name = put(running, key)
    assert HOST_FUNCTIONS[f"cost_{scheme}"](running, *name, curve, NOWHERE) == expected
    assert (running.guest.read(NOWHERE, 16) != ZERO16) == (expected == 0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("call_on_cleanup", (1, 2)),
        ("call_data_append", (0, 0)),
        ("call_cycles_add128", (0, 0)),
        ("call_with_best_effort_response", (1,)),
        ("call_perform", ()),
    ],
)
def test_a_call_has_to_be_begun_before_anything_else(name, arguments):
    assert violation(name, *arguments) == (
        "IC0504",
        (f"Canister violated contract: ic0.{name} called when no call is under construction."),
    )


def test_the_table_of_contexts_is_the_specifications():
    allowed = {name: entry.contexts for name, entry in all_signatures("i32").items()}
    everywhere = frozenset(Context)
    assert allowed["trap"] == allowed["stable64_read"] == everywhere
    assert allowed["time"] == everywhere - {Context.START}
    assert allowed["accept_message"] == {Context.INSPECT_MESSAGE}
    assert Context.QUERY not in allowed["certified_data_set"]
    assert Context.QUERY not in allowed["root_key_copy"]
    assert Context.REPLICATED_QUERY not in allowed["global_timer_set"]
    assert allowed["data_certificate_copy"] == {Context.QUERY, Context.COMPOSITE_QUERY}


@pytest.mark.parametrize(
    ("kind", "name", "mode"),
    [
        ("update", "accept_message", "update"),
        ("query", "cycles_burn128", "non-replicated query"),
        ("composite_query", "root_key_size", "composite query"),
    ],
)
def test_a_function_in_the_wrong_context_breaks_the_contract(kind, name, mode):
    bench = Bench(calling(name, f'(export "canister_{kind} m" (func 1))'))
    outcome = bench.update("m") if kind == "update" else bench.query("m")
    assert reason(outcome) == ("IC0504", forbidden(name, mode))


@pytest.mark.parametrize(
    ("where", "name", "mode"),
    [
        ("(start 1)", "time", "start"),
        ('(export "canister_init" (func 1))', "msg_reply", "init"),
    ],
)
def test_a_function_in_the_wrong_stage_of_an_installation_breaks_the_contract(where, name, mode):
    with pytest.raises(Reject) as refused:
        Bench(calling(name, where))
    assert spelled(refused.value) == ("IC0504", forbidden(name, mode))


@pytest.mark.parametrize(
    ("hook", "name", "mode"),
    [
        ("canister_pre_upgrade", "msg_reply", "pre upgrade"),
        ("canister_post_upgrade", "msg_reply", "init"),
    ],
)
def test_a_function_in_the_wrong_stage_of_an_upgrade_breaks_the_contract(hook, name, mode):
    module = calling(name, f'(export "{hook}" (func 1))')
    bench = Bench(module)
    with pytest.raises(Reject) as refused:
        bench.upgrade(module)
    assert spelled(refused.value) == ("IC0504", forbidden(name, mode))


def forbidden(name, mode):
    return f'Canister violated contract: "ic0.{name}" cannot be executed in {mode} mode.'


def calling(name, where):
    """A module whose function 1, used as ``where`` says, calls ``ic0.{name}`` with zeros."""
    entry = signature_of(name, "i32")
    params = f"(param {' '.join(entry.params)})" if entry.params else ""
    result = f"(result {entry.results[0]})" if entry.results else ""
    arguments = " ".join(f"({kind}.const 0)" for kind in entry.params)
    call = f"(call 0 {arguments})"
    return wasm_from_text(
        f'(module (import "ic0" "{name}" (func {params} {result}))'
        f" (memory 1) (func {f'(drop {call})' if result else call}) {where})"
    )


def test_a_principal_of_29_bytes_is_the_longest():
    running = session(controllers=frozenset({Principal(b"x" * 29)}))
    assert HOST_FUNCTIONS["is_controller"](running, *put(running, b"x" * 29)) == 1
