"""Malformed input: a clear error with its exit code, and nothing has changed."""

import gzip

import pytest

from juno_snap.replica.samples import sample
from tests.integration.cli_world import ask, create_store, juno_snap, look, refuse, run_child

V2 = sample("document_store_v2")


@pytest.fixture
def store(cli):
    """A document store named docs."""
    create_store(cli)
    return cli


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"#!/bin/sh\n", "not-wasm", id="no Wasm"),
        pytest.param(b"", "not-wasm", id="empty"),
        pytest.param(gzip.compress(b"text"), "not-wasm", id="gzip of something else"),
        pytest.param(gzip.compress(V2)[:-9], "gzip-damaged", id="gzip cut short"),
        pytest.param(gzip.compress(V2)[:-6] + b"\0" * 6, "gzip-damaged", id="gzip damaged"),
        pytest.param(V2[:-5], "wasm-damaged", id="Wasm cut short"),
    ],
)
def test_a_file_that_is_no_module_is_refused(store, content, code):
    file = store / "new.wasm"
    file.write_bytes(content)
    before = look("docs")
    for words in (
        ("upgrade", "--src", file),
        ("module", "install", "--mode", "reinstall", "--yes", "--wasm", file),
    ):
        ran = refuse(*words, "--module", "docs")
        assert (ran.code, ran.error["code"], ran.out) == (2, code, "")
        assert "new.wasm" in ran.error["message"]
    assert look("docs") == before
    assert refuse("module", "create", "--wasm", file).code == 2


def test_a_compressed_module_is_installed_as_it_is(store):
    file = store / "new.wasm.gz"
    file.write_bytes(gzip.compress(V2))
    assert ask("upgrade", "--src", file, "--module", "docs")["outcome"] == "upgraded"


def test_a_file_that_is_not_there_is_not_found(store):
    assert refuse("upgrade", "--src", "none.wasm", "--module", "docs").code == 4


@pytest.mark.parametrize("text", ["ryjl3-tyaaa-aaaaa-aaaba-caj", "ryjl3-tyaaa-aaaaa-aaaba"])
def test_an_id_with_a_wrong_checksum_is_malformed(store, text):
    for words in (("status",), ("snapshot", "create"), ("module", "stop")):
        ran = refuse(*words, "--module", text)
        assert (ran.code, ran.error["code"]) == (2, "invalid-principal")
        assert text in ran.error["message"]


def test_a_module_that_does_not_exist_is_not_found(store):
    words = (
        ("status",),
        ("snapshot", "list"),
        ("snapshot", "create"),
        ("snapshot", "restore", "--yes"),
        ("module", "stop"),
        ("module", "call", "version"),
        ("module", "call", "version", "--query"),
        ("upgrade", "--src", "document_store_v1.wasm"),
    )
    for each in words:
        assert refuse(*each, "--module", "ryjl3-tyaaa-aaaaa-aaaba-cai").code == 4, each
        assert refuse(*each, "--module", "dogs").code == 4, each


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param('("a", "b"', "line 1, column 10", id="not closed"),
        pytest.param('("a",\n nat)', "line 2, column 2", id="no value"),
        pytest.param('("a", 5)', "column 7", id="another type"),
        pytest.param('("a")', "argument 2", id="one is missing"),
        pytest.param('("a", "b", "c")', "column 12", id="one too many"),
    ],
)
def test_candid_that_does_not_parse_is_told_where(store, text, place):
    ran = refuse("module", "call", "set_document", text, "--module", "docs")
    assert ran.code == 2
    assert place in ran.error["message"]
    assert ask("module", "call", "document", '("a")', "--module", "docs")["reply"] == (
        '(opt "text of a")'
    )


def test_an_argument_of_new_code_is_told_where_it_is_wrong(store):
    before = look("docs")
    words = ("upgrade", "--src", "document_store_v1.wasm", "--module", "docs")
    ran = refuse(*words, "--arg", "(1, oops)")
    assert ran.code == 2
    assert "column 5" in ran.error["message"]
    (store / "arg").write_bytes(b"\xff\xfe")
    assert refuse(*words, "--arg-file", store / "arg").code == 2
    assert refuse(*words, "--arg-file", store / "none").code == 4
    assert look("docs") == before


@pytest.mark.parametrize(
    "words",
    [
        ("staus",),
        ("status", "--modul", "x"),
        ("snapshot", "show"),
        ("upgrade", "--module", "docs"),
        ("module", "create", "--cycles", "-1"),
        ("module", "create", "--cycles", "many"),
        ("module", "create", "--controller", "nobody"),
        ("module", "create", "--arg", "()"),
        ("module", "install", "--mode", "install", "--skip-pre-upgrade", "--wasm", "x.wasm"),
        ("status", "-t", "moon"),
        ("replica", "run", "--port", "65536"),
    ],
    ids=" ".join,
)
def test_wrong_usage_has_an_exit_code_of_its_own(store, words):
    (store / "x.wasm").write_bytes(V2)
    ran = refuse(*words)
    assert (ran.code, ran.out) == (2, "")


def test_a_method_that_is_not_there_is_told_by_the_network(store):
    ran = refuse("module", "call", "no_such", "--module", "docs")
    assert (ran.code, ran.error["error_code"]) == (1, "IC0536")


def test_errors_for_people_say_what_to_do(store):
    ran = juno_snap("snapshot", "restore", "--module", "docs", "--yes")
    assert ran.out == ""
    assert ran.err.splitlines()[-1].startswith(("error: ", "hint: "))
    ran = run_child("snapshot", "restore", "ffff", "--module", "docs", "--yes")
    assert ran.code == 4
    assert "hint: list the ids with: juno-snap snapshot list" in ran.err
    verbose = juno_snap("status", "--module", "aaaaa-aaaaa", "-v")
    assert "caused by" in verbose.err
