"""What a plan says of the new code: its interface, its data, its memory, its checks."""

from dataclasses import replace

import pytest

from juno_snap.errors import PreconditionError
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.plan import plan_upgrade
from juno_snap.pipeline.request import UpgradeRequest
from juno_snap.pipeline.wasm_file import check_wasm
from juno_snap.units import MIB
from tests.unit.pipeline.values import INTERFACE, custom, leb128, section, seen, status, wasm_bytes

READS = b"service : { get : (text) -> (text) query }"
RENAMED = b"service : { fetch : (text) -> (opt text) query }"
OTHER_OPTION = b"service : { get : (text) -> (opt nat) query }"
STABLE = b"actor { stable var documents : [(Text, Text)] };"


def plan_of(observation, request=None, **wasm):
    candidate = check_wasm(wasm_bytes(**wasm), name="new.wasm")
    return plan_upgrade(observation, request or UpgradeRequest(), candidate)


def codes(entries):
    return [entry.code for entry in entries]


def with_limit(limit_bytes, **changes):
    """A module whose setting wasm_memory_limit is that; its heap has 4 MiB."""
    settings = replace(status().settings, wasm_memory_limit_bytes=limit_bytes)
    return seen(settings=settings, **changes)


def exporting(*names):
    """A module that exports a function by each name; none of them is there to be called."""
    entries = b"".join(leb128(len(name)) + name.encode() + b"\x00\x00" for name in names)
    content = wasm_bytes() + section(7, leb128(len(names)) + entries)
    return check_wasm(content, name="new.wasm")


@pytest.mark.parametrize(
    "interface",
    [
        pytest.param(INTERFACE, id="the same"),
        pytest.param(INTERFACE[:-1] + b"; set : (text) -> () }", id="a method more"),
        pytest.param(READS, id="an option that is always there"),
    ],
)
def test_an_interface_that_serves_the_old_callers_is_not_spoken_of(interface):
    outline = plan_of(seen(), interface=interface).outline
    assert outline.refusals == outline.warnings == ()


def test_an_interface_that_breaks_callers_is_refused_with_method_and_place():
    (refusal,) = plan_of(seen(interface=READS), interface=INTERFACE).outline.refusals
    assert refusal.code == "candid-breaking"
    assert refusal.flags == ("--force",)
    assert "method get: result 1: opt where text is expected" in refusal.text


def test_only_a_module_that_says_its_package_may_give_up_the_version_query():
    older = seen(interface=INTERFACE[:-1] + b"; version : () -> (text) query }")
    packaged = custom(
        b"icp:public juno:package", b'{"name": "@junobuild/satellite", "version": "0.1.0"}'
    )
    newer = check_wasm(wasm_bytes() + packaged, name="new.wasm")
    assert plan_upgrade(older, UpgradeRequest(), newer).outline.refusals == ()
    (refusal,) = plan_of(older).outline.refusals
    assert "method version is expected and not there" in refusal.text


def test_a_breaking_interface_can_be_forced_with_a_warning():
    plan = plan_of(seen(), UpgradeRequest(force=True), interface=RENAMED)
    plan.outline.check()
    (warning,) = plan.outline.warnings
    assert warning.code == "candid-breaking"
    assert "method get is expected and not there" in warning.text


def test_many_reasons_are_counted():
    methods = b"; ".join(b"m%d : () -> ()" % number for number in range(9))
    old = b"service : { " + methods + b" }"
    (refusal,) = plan_of(seen(interface=old), interface=b"service : {}").outline.refusals
    assert refusal.text.endswith("method m4 is expected and not there; and 4 more")


def test_names_of_the_modules_cannot_write_to_the_terminal_or_fill_it():
    name = r"\u{1b}[2J" + 1_000 * "x"
    old = f'service : {{ "{name}" : () -> () }}'.encode()
    (refusal,) = plan_of(seen(interface=old), interface=b"service : {}").outline.refusals
    assert "\x1b" not in refusal.text
    assert len(refusal.text) < 400
    assert refusal.text.endswith("xxx is expected and not there")


def test_control_characters_of_a_name_are_replaced():
    old = b'service : { "a\\u{1b}b" : () -> () }'
    (refusal,) = plan_of(seen(interface=old), interface=b"service : {}").outline.refusals
    assert "method a?b is expected" in refusal.text


def test_what_becomes_null_is_a_warning():
    outline = plan_of(seen(), interface=OTHER_OPTION).outline
    assert outline.refusals == ()
    assert codes(outline.warnings) == ["candid-lossy"]
    assert "method get: result 1: nat where text is expected" in outline.warnings[0].text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param(None, INTERFACE, "the module does not say", id="the module's is absent"),
        pytest.param(INTERFACE, None, "the new Wasm does not say", id="the Wasm's is absent"),
        pytest.param(INTERFACE, b"", "the new Wasm does not say", id="the Wasm's is empty"),
        pytest.param(b"service {", INTERFACE, "cannot be read", id="the module's is malformed"),
        pytest.param(INTERFACE, b"\xff", "cannot be read", id="the Wasm's is no text"),
    ],
)
def test_interfaces_that_are_not_known_are_not_compared_and_that_is_said(old, new, words):
    outline = plan_of(seen(interface=old), interface=new).outline
    assert outline.refusals == ()
    (warning,) = outline.warnings
    assert warning.code == "candid-unchecked"
    assert words in warning.text


@pytest.mark.parametrize(
    ("old", "new", "options", "expected"),
    [
        pytest.param(STABLE, STABLE, {}, [], id="the same"),
        pytest.param(STABLE, STABLE + b" ", {}, ["stable-types-differ"], id="others"),
        pytest.param(STABLE, None, {}, ["stable-types-differ"], id="none any more"),
        pytest.param(None, STABLE, {}, [], id="none before"),
        pytest.param(
            STABLE, b"x", {"reset": True}, ["data-wiped", "configuration-unknown"], id="a reset"
        ),
    ],
)
def test_other_stable_types_of_a_classical_heap_are_a_warning(old, new, options, expected):
    plan = plan_of(seen(stable_types=old), UpgradeRequest(**options), stable_types=new)
    assert plan.outline.refusals == ()
    assert codes(plan.outline.warnings) == expected


def test_stable_types_of_a_persistent_heap_are_left_to_the_runtime():
    observation = seen(stable_types=STABLE, is_persistent=True)
    assert plan_of(observation, persistent=True, stable_types=b"x").outline.warnings == ()


def test_the_warning_about_stable_types_advises_a_rehearsal():
    (warning,) = plan_of(seen(stable_types=STABLE), stable_types=b"x").outline.warnings
    assert "juno-snap rehearse" in warning.text


def test_a_heap_beyond_the_modules_own_limit_is_refused():
    plan = plan_of(with_limit(3 * MIB), pages=49)
    assert codes(plan.outline.refusals) == ["wasm-memory-limit"]
    assert plan_of(with_limit(3 * MIB), pages=48).outline.refusals == ()
    assert plan_of(with_limit(0), pages=49).outline.refusals == ()


def test_a_heap_that_is_kept_counts_and_one_that_is_not_does_not():
    kept = plan_of(with_limit(3 * MIB, is_persistent=True), persistent=True)
    assert codes(kept.outline.refusals) == ["wasm-memory-limit"]
    assert plan_of(with_limit(3 * MIB)).outline.refusals == ()


def test_a_check_whose_method_is_not_exported_is_refused():
    request = UpgradeRequest(checks=(parse_check("ready() == true"),))
    plan = plan_upgrade(seen(), request, exporting("canister_query alive"))
    assert codes(plan.outline.refusals) == ["check-method-missing"]
    assert "ready() == true" in plan.outline.refusals[0].text
    with pytest.raises(PreconditionError) as caught:
        plan.outline.check()
    assert caught.value.hint == "say --force"
    there = plan_upgrade(seen(), request, exporting("canister_query ready"))
    assert there.outline.refusals == ()


def test_a_check_that_does_not_fit_the_interface_is_refused():
    request = UpgradeRequest(checks=(parse_check('get(7) == (opt "x")'),))
    plan = plan_upgrade(seen(), request, exporting("canister_query get"))
    assert codes(plan.outline.refusals) == ["check-misfit"]


@pytest.mark.parametrize("text", ["ready() == true", 'get(7) == (opt "x")'])
def test_checks_that_cannot_hold_can_be_forced(text):
    request = UpgradeRequest(checks=(parse_check(text),), force=True)
    plan = plan_upgrade(seen(), request, exporting("canister_query get"))
    plan.outline.check()
    assert plan.outline.warnings[0].code.startswith("check-")


def test_an_empty_module_has_nothing_to_compare_with():
    plan = plan_of(seen(module_hash=None, interface=None), interface=RENAMED)
    assert codes(plan.outline.refusals) == ["module-empty"]
    assert plan.outline.warnings == ()


def test_force_lifts_nothing_else():
    request = UpgradeRequest(force=True, sha256=b"\x01" * 32)
    plan = plan_of(seen(is_persistent=True, cycles=1), request, interface=RENAMED)
    assert codes(plan.outline.refusals) == ["wrong-sha256", "persistence-lost"]
    assert codes(plan.outline.warnings) == ["not-enough-cycles", "candid-breaking"]
