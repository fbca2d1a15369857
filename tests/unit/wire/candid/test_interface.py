"""Interfaces, as Motoko and Rust write them."""

import pytest

from juno_snap.errors import DecodeError
from juno_snap.wire.candid import (
    BLOB,
    NAT,
    TEXT,
    Tagged,
    decode,
    encode,
    format_reply,
    parse_arguments,
    parse_interface,
)

STORE = """
// What a document store in the style of Motoko's compiler looks like.
type Result_1 =
 variant {
   err: text;
   ok: Document;
 };
type Document =
 record {
   body: blob;
   "first name": text;
   next: opt Document;
   old: reserved;
   pair: record { nat; text; };
   7: vec record { text; opt nat };
 };
type Callback = func (Document) -> () oneway;
/* An actor class /* with a comment in a comment */ */
type Store = service {
  /// stores
  put: (key: text, document: Document) -> (Result_1);
  read: (key: text) -> (opt Document) query;
  "read all": () -> (vec Document) composite_query;
  notify: Callback;
  watch: (Callback) -> (principal);
};
service store : (record { owner: principal }, nat) -> Store
"""


def test_reads_methods_modes_and_what_installation_takes():
    interface = parse_interface(STORE)
    modes = {name: method.mode for name, method in interface.methods.items()}
    assert modes == {
        "notify": "oneway",
        "put": "update",
        "read": "query",
        "read all": "composite_query",
        "watch": "update",
    }
    assert [part.kind for part in interface.init_args] == ["record", "nat"]
    assert [part.kind for part in interface.methods["put"].args] == ["text", "record"]
    assert [part.kind for part in interface.methods["watch"].args] == ["func"]


def test_a_value_goes_through_a_recursive_type_of_an_interface():
    method = parse_interface(STORE).methods["put"]
    inner = {"body": b"a", "first name": "x", "next": None, "old": None, "pair": (1, "p"),
             "_7_": [("t", None), ("u", 3)]}  # fmt: skip
    document = {**inner, "next": inner}
    data = encode(method.args, ["key", document])
    assert decode(data, method.args) == ["key", document]
    reply = encode(method.results, [Tagged("ok", document)])
    assert decode(reply, method.results) == [Tagged("ok", document)]
    assert parse_arguments(format_reply(data, types=method.args), method.args) == data


def test_names_of_an_interface_appear_in_printed_replies():
    interface = parse_interface(STORE)
    reply = encode(interface.methods["put"].results, [Tagged("err", "no")])
    assert format_reply(reply, interface=interface) == '(variant { err = "no" })'
    assert format_reply(reply) == '(variant { 5_048_165 = "no" })'.replace("_", "")


def test_reads_the_shortest_forms():
    assert parse_interface("").methods == {}
    assert parse_interface("type a = nat").methods == {}
    assert parse_interface("service : {}").methods == {}
    assert parse_interface("service : () -> {};").init_args == ()
    method = parse_interface("service : { f : (blob) -> (x : nat, text) }").methods["f"]
    assert (method.args, method.results) == ((BLOB,), (NAT, TEXT))


def test_a_name_may_stand_for_a_name_and_be_used_before_it_is_defined():
    interface = parse_interface(
        "type a = b; type b = c; type c = nat; service : { f : (a) -> (b) }"
    )
    assert encode(interface.methods["f"].args, [5]) == encode([NAT], [5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("service", "line 1, column 8 (offset 7): expected :, found the end"),
        ("type a = ", "line 1, column 10 (offset 9): expected a type, found the end"),
        ("type a = nat type b = nat", "expected a type, a service or the end, found type"),
        ("type a = nat; type a = int", "line 1, column 20 (offset 19): a second type a"),
        ("type a = b", "line 1, column 10 (offset 9): there is no type b"),
        ("type a = b; type b = a", "a Candid type that is used and never defined"),
        ("service : { f : nat }", "method f is of type nat"),
        ("type a = nat; service : a", "the service is of type nat"),
        ("service : { f : () -> (); f : () -> () }", "a second method f"),
        ("service : { f : () -> (nat) oneway }", "a oneway function has no results"),
        ('import "other.did"; service : {}', "imports of other files are not followed"),
        ("<html>", "line 1, column 1 (offset 0): unexpected: <html>"),
        ("type a = " + "opt " * 5000 + "nat", "nested more than 100 deep"),
        ("type a = " + "record { " * 5000, "nested more than 100 deep"),
    ],
)
def test_what_cannot_be_read_is_an_error_of_decoding(text, message):
    with pytest.raises(DecodeError) as caught:
        parse_interface(text)
    assert caught.value.code == "candid-interface"
    assert message in caught.value.message


def test_an_endless_interface_is_refused():
    with pytest.raises(DecodeError, match="more than 1000000 characters"):
        parse_interface("//" + "x" * 1_000_000)
