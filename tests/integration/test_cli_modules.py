"""Modules and their state through the command line."""

import json
import os

import pytest

from juno_snap.replica.samples import sample
from tests.integration.cli_world import (
    ask,
    create_store,
    documents,
    juno_snap,
    look,
    refuse,
    run_child,
    write_sample,
)

OTHER = "2vxsx-fae"


def test_a_module_is_created_named_and_called(cli):
    wasm = write_sample(cli, "document_store_v1")
    made = ask("module", "create", "--name", "docs", "--wasm", wasm)
    assert set(made) == {"schema", "module", "name", "module_hash"}
    reply = ask("module", "call", "set_document", '("k", "v")', "--module", "docs")
    assert (reply["reply"], reply["reply_hex"]) == ("()", "4449444c0000")
    asked = ask("module", "call", "document", '("k")', "--module", made["module"], "--query")
    assert asked["reply"] == '(opt "v")'
    assert juno_snap("module", "call", "version", "--module", "docs").out == '("0.1.0")\n'


def test_an_empty_module_can_be_created_and_gets_code_later(cli):
    module = ask("module", "create")["module"]
    assert ask("status", "--module", module)["module_hash"] is None
    wasm = write_sample(cli, "counter")
    installed = ask("module", "install", "--wasm", wasm, "--module", module)
    assert ask("status", "--module", module)["module_hash"] == installed["module_hash"]
    assert ask("module", "call", "increment", "--module", module)["reply"] == "(1 : nat)"
    ask("module", "install", "--wasm", wasm, "--mode", "reinstall", "--module", module, "--yes")
    assert ask("module", "call", "read", "--module", module)["reply"] == "(0 : nat)"
    ask("module", "call", "increment", "--module", module)
    ask("module", "install", "--src", wasm, "--mode", "upgrade", "--module", module)


def test_more_controllers_can_be_given(cli):
    module = ask("module", "create", "--controller", OTHER, "--controller", OTHER)["module"]
    me = ask("identity", "show")["principal"]
    assert sorted(ask("status", "--module", module)["controllers"]) == sorted([me, OTHER])


def test_a_taken_name_creates_nothing(cli):
    create_store(cli)
    ran = refuse("module", "create", "--name", "docs")
    assert (ran.code, ran.error["code"]) == (5, "name-taken")


def test_a_module_is_stopped_started_and_deleted(cli):
    module = create_store(cli)
    assert ask("module", "stop", "--module", "docs")["module_status"] == "stopped"
    assert ask("status", "--module", "docs")["status"] == "stopped"
    assert ask("module", "start", "--module", "docs")["module_status"] == "running"
    assert documents("docs") == '(vec { "a"; "b" })'
    ask("module", "stop", "--module", "docs")
    unconfirmed = refuse("module", "delete", "--module", "docs")
    assert (unconfirmed.code, unconfirmed.error["code"]) == (5, "confirmation-needed")
    ask("module", "delete", "--module", "docs", "--yes")
    assert refuse("status", "--module", module).code == 4
    assert refuse("status", "--module", "docs").error["code"] == "module-not-found"


def test_status_says_what_the_contract_names(cli):
    module = create_store(cli)
    seen = ask("status", "--module", "docs")
    assert {
        "schema", "module", "name", "role", "version", "status", "module_hash", "controllers",
        "cycles", "memory_size_bytes", "freezing", "snapshots", "advice", "juno", "segments",
    } == set(seen)  # fmt: skip
    assert (seen["module"], seen["name"], seen["role"]) == (module, "docs", "satellite")
    assert (seen["version"], seen["status"]) == ("0.1.0", "running")
    assert int(seen["cycles"]) > 0
    assert any("snapshot create" in line for line in seen["advice"])
    text = juno_snap("status", "--module", "docs").out
    assert module in text
    assert "satellite" in text


def test_a_stranger_sees_the_public_part_of_a_status(cli):
    create_store(cli)
    seen = ask("status", "--module", "docs", "--identity", "anonymous")
    assert seen["status"] is None
    assert (seen["version"], len(seen["controllers"])) == ("0.1.0", 1)


@pytest.mark.parametrize("target", ["satellite", "s"])
def test_a_target_is_the_configured_module_of_that_role(cli, target):
    module = create_store(cli)
    ran = refuse("status", "-t", target)
    assert (ran.code, ran.error["code"]) == (10, "no-target")
    assert "juno.config" in ran.error["hint"]
    (cli / "juno-snap.toml").write_text(
        f'[modules.satellite]\ncanister = "{module}"\nrole = "satellite"\n'
    )
    assert ask("status", "-t", target)["name"] == "satellite"


def test_a_module_named_satellite_is_the_target_too(cli):
    module = create_store(cli, name="satellite")
    assert ask("status", "-t", "satellite")["module"] == module


def test_a_module_must_be_named_once(cli):
    assert refuse("status").code == 2
    assert refuse("status", "--module", "a", "-t", "s").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("module", "stop"),
        ("module", "start"),
        ("module", "delete"),
        ("snapshot", "create"),
        ("snapshot", "restore", "oldest"),
        ("snapshot", "delete", "--all"),
    ],
    ids=" ".join,
)
def test_a_dry_run_changes_nothing(cli, words):
    create_store(cli)
    ask("snapshot", "create", "--module", "docs")
    before = look("docs")
    ask(*words, "--module", "docs", "--dry-run")
    assert look("docs") == before


def test_dry_runs_with_code_change_nothing(cli):
    create_store(cli)
    before, wasm = look("docs"), write_sample(cli, "counter")
    ask("module", "install", "--wasm", wasm, "--mode", "reinstall", "--module", "docs", "--dry-run")
    plan = ask("upgrade", "--src", wasm, "--module", "docs", "--dry-run")["plan"]
    assert {"steps", "refusals", "warnings", "update_calls", "cycles", "asks"} <= set(plan)
    assert ask("module", "create", "--wasm", wasm, "--name", "new", "--dry-run")["module"] is None
    assert refuse("status", "--module", "new").code == 4
    assert look("docs") == before


def test_arguments_come_as_text_as_a_file_and_as_hex(cli):
    create_store(cli)
    file = cli / "arg.txt"
    file.write_text("()")
    wasm = write_sample(cli, "document_store_v2")
    for words in (("--arg", "()"), ("--arg-file", file), ("--arg-hex", "4449444c0000")):
        ask("module", "install", "--wasm", wasm, "--mode", "upgrade", "--module", "docs", *words)
    file.write_bytes(bytes.fromhex("4449444c0000"))
    ask("upgrade", "--src", wasm, "--module", "docs", "--arg-file", file)
    twice = refuse("upgrade", "--src", wasm, "--module", "docs", "--arg", "()", "--arg-hex", "44")
    assert twice.code == 2
    for wrong in ("zz", "00"):
        assert refuse("upgrade", "--src", wasm, "--module", "docs", "--arg-hex", wrong).code == 2


def test_a_module_too_large_for_one_message_goes_through_the_chunk_store(cli):
    wasm = cli / "large.wasm"
    wasm.write_bytes(sample("document_store_v1") + custom_section(os.urandom(2_500_000)))
    made = ask("module", "create", "--wasm", wasm)
    assert ask("status", "--module", made["module"])["module_hash"] == made["module_hash"]
    wasm.write_bytes(sample("document_store_v2") + custom_section(os.urandom(2_500_000)))
    ask("module", "install", "--wasm", wasm, "--mode", "upgrade", "--module", made["module"])
    seen = ask("status", "--module", made["module"])
    assert (seen["version"], seen["advice"]) == ("0.2.0", seen["advice"][:1])


def custom_section(content: bytes) -> bytes:
    """A Wasm section that means nothing."""
    body = b"\x05large" + content
    return b"\x00" + leb128(len(body)) + body


def leb128(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_a_child_process_says_the_same(cli):
    module = create_store(cli)
    ran = run_child("status", "--module", "docs", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.document["module"] == module
    missing = run_child("status", "--module", "none", "--json")
    assert (missing.code, missing.out) == (4, "")
    assert json.loads(missing.err)["error"]["code"] == "module-not-found"
