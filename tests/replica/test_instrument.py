"""Modules before they run: unpacking, the network's rules, rewriting."""

import contextlib
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.replica.instrument import InvalidWasmError, prepare_module, validate_module
from juno_snap.replica.instrument.binary import START, Cursor, read_sections
from juno_snap.replica.runtime import wasm_from_text
from juno_snap.wire.leb128 import encode_unsigned
from tests.replica.engine import wat

EMPTY = b"\0asm\1\0\0\0"


def section(number: int, payload: bytes) -> bytes:
    return bytes([number]) + encode_unsigned(len(payload)) + payload


def refusal(module: bytes | str) -> str:
    wasm = module if isinstance(module, bytes) else wasm_from_text(module)
    with pytest.raises(InvalidWasmError) as refused:
        validate_module(wasm)
    return refused.value.reason


def test_the_shape_of_a_module():
    shape = validate_module(wat("state"))
    assert shape.methods["put"] == "update"
    assert shape.methods["show"] == "query"
    assert shape.methods["compose"] == "composite_query"
    assert shape.pointer_type == "i32"
    assert shape.memory_count == 1
    assert not shape.has_eop
    assert {entry.name for entry in shape.imports} >= {"trap", "stable64_read"}


def test_entry_points_are_known():
    assert validate_module(wat("hooks")).entry_points == {
        "canister_init",
        "canister_pre_upgrade",
        "canister_post_upgrade",
    }


def test_metadata_has_name_visibility_and_content():
    shape = validate_module(
        wasm_from_text(
            '(module (@custom "icp:public a b" "one") (@custom "icp:private c" "two")'
            ' (@custom "name of something else" "three"))'
        )
    )
    assert {k: tuple(v) for k, v in shape.metadata.items()} == {
        "a b": (True, b"one"),
        "c": (False, b"two"),
    }


def test_a_gzipped_module_has_the_same_shape():
    wasm = wat("state")
    assert validate_module(gzip.compress(wasm)) == validate_module(wasm)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        pytest.param(b"", "unsupported canister module format", id="empty file"),
        pytest.param(b"#!/bin/sh\n", "unsupported canister module format", id="script"),
        pytest.param(EMPTY[:-1] + b"\0\x01\x7f", "Failed to decode wasm module", id="cut section"),
        pytest.param(
            '(module (import "ic0" "msg_reply" (func (param i32))))',
            "invalid function signature. Expected input params [] for 'msg_reply', got [I32].",
            id="import of another type",
        ),
        pytest.param(
            '(module (import "ic0" "stable_size" (func (result i32))) (memory i64 1))',
            "Module imports function 'stable_size' from 'ic0' that is not exported",
            id="32-bit import in a 64-bit module",
        ),
        pytest.param(
            '(module (import "ic0" "msg_caller_size" (func (result i32))) (memory i64 1))',
            "Expected return type [I64] for 'msg_caller_size', got [I32].",
            id="narrow pointer in a 64-bit module",
        ),
        pytest.param(
            '(module (import "env" "msg_reply" (func)))',
            'Module imports function "msg_reply" from "env", expected to be imported from one of'
            ' ["ic0"] instead.',
            id="right name, wrong module",
        ),
        pytest.param(
            '(module (import "env" "memory" (memory 1)))',
            "Importing memories is not allowed: 'memory' from 'env'.",
            id="imported memory",
        ),
        pytest.param(
            '(module (import "env" "g" (global i32)))',
            "Importing globals is not allowed: 'g' from 'env'.",
            id="imported global",
        ),
        pytest.param(
            '(module (func (export "canister_fly")))',
            "Exporting reserved function 'canister_fly' with \"canister_\" prefix",
            id="reserved prefix",
        ),
        pytest.param(
            '(module (func (export "canister_start")))',
            "Exporting reserved symbol canister_start not allowed.",
            id="reserved name",
        ),
        pytest.param(
            '(module (func (export "canister_update a")) (func (export "canister_query a")))',
            "Duplicate function 'a' exported multiple times with different call types",
            id="one name, two kinds",
        ),
        pytest.param(
            '(module (func (export "canister_init") (param i32)))',
            "Expected input params [] for 'canister_init', got [I32].",
            id="entry point with a parameter",
        ),
        pytest.param(
            "(module (global externref (ref.null extern)))",
            "Unsupported global type: externref",
            id="global of a reference",
        ),
        pytest.param(
            '(module (@custom "icp:a" ""))',
            "Custom section 'icp:a' has no public/private scope defined.",
            id="metadata without a scope",
        ),
        pytest.param(
            '(module (@custom "icp:public" ""))',
            "must have a space after the public/private scope",
            id="metadata without a name",
        ),
        pytest.param(
            '(module (@custom "icp:public a" "") (@custom "icp:private a" ""))',
            "name a already exists",
            id="metadata twice",
        ),
        pytest.param(
            "(module" + "".join(f'(@custom "icp:public {n}" "")' for n in range(17)) + ")",
            "Wasm module defined 17 custom sections which exceeds the maximum number allowed 16.",
            id="too much metadata",
        ),
        pytest.param(
            f'(module (@custom "icp:public a" "{"x" * 1_048_576}"))',
            "size 1048577 bytes, allowed 1048576 bytes",
            id="metadata too large",
        ),
        pytest.param(
            "(module" + "(global i32 (i32.const 0))" * 1001 + ")",
            "Wasm module defined 1001 globals which exceeds the maximum number allowed 1000.",
            id="too many globals",
        ),
        pytest.param(
            "(module" + "".join(f'(func (export "canister_query {n}"))' for n in range(1001)) + ")",
            "or `canister_composite_query <name>` exceeds 1000.",
            id="too many methods",
        ),
        pytest.param(
            f'(module (func (export "canister_query {"x" * 20_001}")))',
            "or `canister_composite_query <name>` exceeds 20000.",
            id="method names too long",
        ),
        pytest.param(
            EMPTY + section(1, b"\1\x60\0\0") + section(3, encode_unsigned(50_001) + bytes(50_001)),
            "Wasm module defined 50001 functions, which exceeds the maximum number allowed 50000.",
            id="too many functions",
        ),
        pytest.param(
            EMPTY + section(10, bytes(10 * 1024 * 1024 + 1)),
            "code section size of 10485761 exceeds the maximum allowed size of 10485760.",
            id="too much code",
        ),
        pytest.param(
            "(module (memory 1) (memory 1))",
            "Wasm module has 2 memory sections but should have had 1",
            id="two memories",
        ),
    ],
)
def test_a_module_that_breaks_a_rule_is_refused_with_the_networks_text(module, text):
    assert text in refusal(module)


def test_a_module_that_unpacks_beyond_the_limit_is_refused_without_unpacking_it():
    bomb = gzip.compress(bytes(101 * 1024 * 1024), compresslevel=1)
    assert refusal(bomb) == (
        "Wasm module size of 105906176 exceeds the maximum allowed size of 104857600."
    )


def test_rewriting_takes_the_start_section_away_and_keeps_all_others():
    prepared = prepare_module(wat("hooks"))
    before, after = (
        [section.id for section in read_sections(wasm)]
        for wasm in (prepared.wasm, prepared.rewritten)
    )
    assert START in before
    assert after == [number for number in before if number != START]


def test_rewriting_adds_two_functions_behind_all_others():
    prepared = prepare_module(wat("state"))
    rewritten = validate_module(prepared.rewritten)
    assert rewritten.function_types[: len(prepared.shape.function_types)] == (
        prepared.shape.function_types
    )
    save, restore = rewritten.function_types[-2:]
    assert rewritten.types[save] == ((), ("f64", "i32", "i64", "i32"))
    assert rewritten.types[restore] == (("f64", "i64", "i32"), ())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(module)", id="nothing at all"),
        pytest.param("(module (global (mut i32) (i32.const 1)))", id="only a global"),
        pytest.param('(module (memory 1) (data (i32.const 0) "x"))', id="only data"),
        pytest.param("(module (table 1 funcref))", id="only a table"),
        pytest.param('(module (global (export "g") v128 (v128.const i64x2 1 2)))', id="vector"),
        pytest.param(
            "(module (func) (start 0) (global (mut f64) (f64.const nan)))", id="start and float"
        ),
    ],
)
def test_what_is_rewritten_is_still_a_module(text):
    shape = validate_module(prepare_module(wasm_from_text(text)).rewritten)
    assert shape.start_function is None


@given(st.binary(max_size=60))
def test_bytes_that_are_no_module_are_refused_and_nothing_else_happens(tail):
    with contextlib.suppress(InvalidWasmError):
        assert validate_module(EMPTY + tail).methods == {}


@given(st.data())
def test_a_damaged_module_is_refused_or_read_and_nothing_else_happens(data):
    wasm = bytearray(wat("state"))
    for _ in range(data.draw(st.integers(1, 4))):
        wasm[data.draw(st.integers(8, len(wasm) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidWasmError):
        assert prepare_module(bytes(wasm)).rewritten


def test_a_name_that_is_no_text_is_refused():
    assert "malformed UTF-8 encoding" in refusal(EMPTY + section(0, b"\2\xff\xff"))


def test_a_cursor_reads_long_numbers():
    assert Cursor(b"\x80\x80\x01rest").unsigned() == 1 << 14
