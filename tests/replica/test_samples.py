"""The bundled samples do what their interfaces say."""

import json

import pytest

from juno_snap.replica.samples import SAMPLE_NAMES, interface_of, sample
from juno_snap.wire.candid import NAT, TEXT, Opt, Vec, decode, encode
from juno_snap.wire.candid.interface import parse_interface
from tests.replica.engine import Bench, reason


def text_reply(bench, method):
    return decode(bench.reply(method, encode([], [])), [TEXT])[0]


def write(bench, key, value):
    outcome = bench.update("set_document", encode([TEXT, TEXT], [key, value]))
    assert outcome.reject is None
    assert decode(outcome.reply, []) == []


def read(bench, key):
    return decode(bench.reply("document", encode([TEXT], [key])), [Opt(TEXT)])[0]


def keys(bench):
    return decode(bench.reply("list_documents", encode([], [])), [Vec(TEXT)])[0]


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_a_sample_exports_what_its_interface_says(name):
    bench = Bench(sample(name))
    shape = bench.code.module.shape
    methods = parse_interface(interface_of(name)).methods
    assert set(shape.methods) == set(methods)
    assert shape.metadata["candid:service"].content.decode() == interface_of(name)
    assert shape.metadata["candid:service"].is_public


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_document_store_calls_itself_a_satellite_of_its_version(number):
    bench = Bench(sample(f"document_store_v{number}"))
    package = bench.code.module.shape.metadata["juno:package"]
    version = f"0.{number}.0"
    assert json.loads(package.content) == {"name": "@junobuild/satellite", "version": version}
    assert package.is_public
    assert text_reply(bench, "version") == version


def test_a_counter_counts_and_survives_an_upgrade():
    bench = Bench(sample("counter"))
    for expected in range(1, 131):
        assert decode(bench.update("increment").reply, [NAT]) == [expected]
    bench.upgrade(sample("counter"))
    assert decode(bench.reply("read"), [NAT]) == [130]


def test_documents_are_written_read_replaced_and_listed():
    bench = Bench(sample("document_store_v1"))
    assert keys(bench) == []
    assert read(bench, "a") is None
    long = "é" * 100_000
    for key, value in (("a", "1"), ("b", ""), ("", "empty key"), ("long", long), ("a", "2")):
        write(bench, key, value)
    assert read(bench, "a") == "2"
    assert read(bench, "b") == ""
    assert read(bench, "") == "empty key"
    assert read(bench, "long") == long
    assert read(bench, "lon") is None
    assert keys(bench) == ["b", "", "long", "a"]


def test_version_2_keeps_the_documents_and_counts_them():
    bench = Bench(sample("document_store_v1"))
    write(bench, "a", "1")
    write(bench, "b", "2")
    bench.upgrade(sample("document_store_v2"))
    assert decode(bench.reply("count_documents"), [NAT]) == [2]
    assert read(bench, "b") == "2"


def test_version_3_loses_one_document_each_time():
    bench = Bench(sample("document_store_v2"))
    write(bench, "a", "1")
    write(bench, "b", "2")
    bench.upgrade(sample("document_store_v3"))
    assert keys(bench) == ["b"]
    assert decode(bench.reply("count_documents"), [NAT]) == [1]


@pytest.mark.parametrize(
    "arg",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(encode([TEXT], ["a"]), id="one text"),
        pytest.param(encode([NAT, TEXT], [1, "a"]), id="other types"),
        pytest.param(encode([TEXT, TEXT], ["a", "b"])[:-1], id="cut"),
        pytest.param(b"DIDL\0\2\x71\x71\xff\xff\xff\xff\x0fa", id="a length beyond the end"),
    ],
)
def test_another_argument_is_refused(arg):
    assert reason(Bench(sample("document_store_v1")).update("set_document", arg)) == (
        "IC0503",
        (
            "Canister called `ic0.trap` with message:"
            " 'the argument does not have the types of this method'"
        ),
    )


def test_a_sample_is_the_same_each_time():
    assert sample("document_store_v1") == sample("document_store_v1")
