import gzip

import pytest

from juno_snap.errors import InputError
from juno_snap.pipeline.checks.fit import misfits, missing_methods
from juno_snap.pipeline.checks.parse import parse_check
from juno_snap.pipeline.wasm_file import ENTRY_NAME_MAX_BYTES, check_wasm
from juno_snap.replica.samples import sample
from tests.unit.pipeline.values import HEADER, custom, leb128, section

FUNCTION, MEMORY, NUMBER = 0, 2, 300


def export(name, kind=FUNCTION):
    return leb128(len(name)) + name + bytes([kind]) + leb128(NUMBER)


def exports(*entries):
    return section(7, leb128(len(entries)) + b"".join(entries))


def wasm_of(*sections):
    return check_wasm(HEADER + b"".join(sections), name="new.wasm")


def missing(wasm, *texts):
    return [check.text for check in missing_methods([parse_check(text) for text in texts], wasm)]


METHODS = exports(
    export(b"canister_query ask"),
    export(b"canister_update tell"),
    export(b"canister_composite_query gather"),
    export(b"canister_query memory", MEMORY),
    export(b"canister_init"),
    export("canister_query größe".encode()),
    export(b"plain"),
)


def test_the_entry_points_of_a_module_are_known_compressed_or_not():
    wasm = wasm_of(METHODS)
    assert wasm.entry_points == {
        "canister_query ask",
        "canister_update tell",
        "canister_composite_query gather",
        "canister_query größe",
        "canister_init",
    }
    packed = check_wasm(gzip.compress(wasm.data), name="new.wasm.gz")
    assert packed.entry_points == wasm.entry_points


def test_what_compilers_write_is_read():
    assert "canister_query count_documents" in wasm_sample("document_store_v2").entry_points
    assert "canister_query count_documents" not in wasm_sample("document_store_v1").entry_points


def test_a_name_longer_than_the_network_allows_is_passed_over():
    long = b"canister_query " + b"x" * ENTRY_NAME_MAX_BYTES
    wasm = wasm_of(exports(export(long), export(b"canister_query ask")))
    assert wasm.entry_points == {"canister_query ask"}


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(section(7, leb128(2) + export(b"a")), id="fewer than said"),
        pytest.param(section(7, leb128(1) + export(b"a") + b"x"), id="more than said"),
        pytest.param(section(7, leb128(1) + leb128(99) + b"a"), id="name too long"),
        pytest.param(section(7, leb128(1) + leb128(1)), id="cut short"),
        pytest.param(section(7, b""), id="empty"),
    ],
)
def test_a_damaged_list_of_exports_is_refused(damaged):
    with pytest.raises(InputError) as caught:
        wasm_of(damaged, custom(b"after"))
    assert caught.value.code == "wasm-damaged"


def wasm_sample(name):
    return check_wasm(sample(name), name=f"{name}.wasm")


def test_a_check_of_a_method_that_is_not_exported_is_named():
    texts = ["ask() == 1", "tell() == 1", "gather() == 1", '"größe"() == 1', "as() == 1",
             "memory() == 1", "plain() == 1", "command: a"]  # fmt: skip
    assert missing(wasm_of(METHODS), *texts) == ["as() == 1", "memory() == 1", "plain() == 1"]


def test_a_version_is_told_by_metadata_or_by_a_method():
    text = "version == 1.2.3"
    assert missing(wasm_of(METHODS), text) == [text]
    assert missing(wasm_of(exports(export(b"canister_query version"))), text) == []
    assert missing(wasm_of(custom(b"icp:public juno:package", b"{}")), text) == []
    assert missing(wasm_of(custom(b"icp:private juno:package", b"{}")), text) == []


def test_a_check_of_other_types_than_the_new_interface_is_named_with_its_problem():
    texts = [
        "version() == 2",
        'document(1) == opt "x"',
        'document("a") == opt "x"',
        "count_documents() == 3",
        "unknown(1) == 2",
        "version == 1.2.3",
        "command: a",
    ]
    found = misfits([parse_check(text) for text in texts], wasm_sample("document_store_v2"))
    assert [misfit.check.text for misfit in found] == texts[:2]
    assert found[0].problem == "the value 2 at position 1: 2 is no text"
    assert found[1].problem == "the arguments (1) at position 2: 1 is no text"


@pytest.mark.parametrize("content", [None, b"", b"no interface"])
def test_nothing_is_said_of_types_where_there_is_no_interface(content):
    sections = [] if content is None else [custom(b"icp:public candid:service", content)]
    assert misfits([parse_check("version() == 2")], wasm_of(*sections)) == ()
