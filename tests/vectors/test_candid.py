"""Candid beside values that others computed.

Sources: field ids and bytes were worked out by hand from the rules of the Candid specification
("Binary format"). The interface was printed by the Motoko compiler (``candid`` of npm ``motoko``
4.10.0) from a small actor class. ``tests/interop`` compares with an encoder that is not ours.
"""

import pytest

from juno_snap.wire.candid import NAT, TEXT, Record, encode, format_reply, parse_arguments
from juno_snap.wire.candid import parse_interface as parse
from juno_snap.wire.candid.values import label_id

FIELD_IDS = {
    "id": 23515,
    "arg": 4849238,
    "canister_id": 1313628723,
    "snapshot_id": 4045790262,
    "taken_at_timestamp": 3569147778,
    "total_size": 1926775388,
    "replace_snapshot": 435757295,
    "wasm_module": 265441191,
    "install": 2375734555,
    "reinstall": 235052488,
    "upgrade": 1664201884,
    "settings": 2336062691,
    "controllers": 570880087,
    "running": 3949555199,
    "module_hash": 2928387969,
}

MOTOKO = """
type Store =
 service {
   all: () -> (vec Doc) composite_query;
   ints: (a: int8, b: nat64, c: float64, d: nat32, e: reserved) -> (int, nat);
   list: () -> (List) query;
   notify: (cb: func (Doc) -> () oneway) -> () oneway;
   put: (key: text, doc: Doc) -> (R);
   read: (key: text) -> (opt Doc) query;
 };
type R =
 variant {
   busy;
   err: text;
   ok: Doc;
 };
type List =
 opt record {
       nat;
       List;
     };
type Doc =
 record {
   body: blob;
   next: opt Doc;
   pair: record {
           nat;
           text;
         };
   "type": text;
 };
service : (init: record {
                   limit: opt nat;
                   owner: principal;
                 }) -> Store
"""


@pytest.mark.parametrize(("name", "number"), FIELD_IDS.items())
def test_names_have_the_ids_of_the_platform(name, number):
    assert label_id(name) == number


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("()", "4449444c0000"),
        ("(42 : nat)", "4449444c00017d2a"),
        ('("Hi \u2603\\n")', "4449444c00017107486920e298830a"),
        ("(record { a = 1 : nat })", "4449444c016c01617d010001"),
        ("(true, null)", "4449444c00027e7f01"),
        ("(0 : nat)", "4449444c00017d00"),
        ("(128 : nat)", "4449444c00017d8001"),
        ("(624485 : nat)", "4449444c00017de58e26"),
        ("(-1 : int)", "4449444c00017c7f"),
        ("(128 : int)", "4449444c00017c8001"),
        ("(-65 : int)", "4449444c00017cbf7f"),
        ("(255 : nat8)", "4449444c00017bff"),
        ("(258 : nat16)", "4449444c00017a0201"),
        ("(1 : nat32)", "4449444c00017901000000"),
        ("(1 : nat64)", "4449444c0001780100000000000000"),
        ("(-1 : int8)", "4449444c000177ff"),
        ("(-2 : int16)", "4449444c000176feff"),
        ("(-1 : int32)", "4449444c000175ffffffff"),
        ("(-1 : int64)", "4449444c000174ffffffffffffffff"),
        ("(1.0 : float32)", "4449444c0001730000803f"),
        ("(0.5 : float64)", "4449444c000172000000000000e03f"),
        ('(principal "aaaaa-aa")', "4449444c0001680100"),
        ('(principal "2vxsx-fae")', "4449444c000168010104"),
        ("(opt true)", "4449444c016e7e01000101"),
        ("(vec { 1 : nat8; 2 : nat8 })", "4449444c016d7b0100020102"),
        ('(blob "\\00\\ff")', "4449444c016d7b01000200ff"),
        ("(record { 1 : nat; true })", "4449444c016c02007d017e01000101"),
        ("(variant { ok })", "4449444c016b019cc2017f010000"),
    ],
)
def test_common_arguments_have_the_known_bytes(text, data):
    assert parse_arguments(text).hex() == data


def test_the_bytes_of_a_record_do_not_depend_on_the_order_written():
    one = encode([Record({"a": NAT, "b": TEXT})], [{"a": 1, "b": "x"}])
    assert one == encode([Record({"b": TEXT, "a": NAT})], [{"b": "x", "a": 1}])
    assert one == parse_arguments('(record { b = "x"; a = 1 })')


def test_reads_an_interface_that_the_motoko_compiler_wrote():
    interface = parse(MOTOKO)
    assert {name: method.mode for name, method in interface.methods.items()} == {
        "all": "composite_query",
        "ints": "update",
        "list": "query",
        "notify": "oneway",
        "put": "update",
        "read": "query",
    }
    text = '("k", record { body = blob ""; pair = record { 1; "x" }; "type" = "t" })'
    data = parse_arguments(text, interface.methods["put"].args)
    assert format_reply(data, interface=interface) == (
        '("k", record { body = blob ""; next = null; '
        'pair = record { 1 : nat; "x" }; "type" = "t" })'
    )
    listed = parse_arguments(
        "(opt record { 1; opt record { 2; null } })", interface.methods["list"].results
    )
    assert format_reply(listed) == "(opt record { 1 : nat; opt record { 2 : nat; null } })"
