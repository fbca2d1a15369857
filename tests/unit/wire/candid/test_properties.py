"""What holds for every type and value."""

import contextlib

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from juno_snap.errors import DecodeError, InputError
from juno_snap.wire.candid import (
    NAT,
    RESERVED,
    Opt,
    Record,
    decode,
    decode_untyped,
    encode,
    format_reply,
    parse_arguments,
    parse_interface,
)
from juno_snap.wire.candid.subtype import is_subtype
from tests.unit.wire.candid.candid_values import pairs, typed_values

UNTIMED = settings(deadline=None, max_examples=60)


@UNTIMED
@given(typed_values())
def test_a_value_comes_back_from_its_bytes(typed):
    kind, value = typed
    assert decode(encode([kind], [value]), [kind]) == [value]


@UNTIMED
@given(st.lists(typed_values(), max_size=4))
def test_the_types_of_a_message_write_the_same_message(typed):
    data = encode([kind for kind, _ in typed], [value for _, value in typed])
    given_ = decode_untyped(data)
    again = encode([item.type for item in given_], [item.value for item in given_])
    kinds = [kind for kind, _ in typed]
    assert decode(again, kinds) == decode(data, kinds)


@UNTIMED
@given(st.lists(typed_values(), max_size=3))
def test_a_printed_message_is_read_as_the_same_bytes(typed):
    kinds = [kind for kind, _ in typed]
    data = encode(kinds, [value for _, value in typed])
    assert parse_arguments(format_reply(data, types=kinds), kinds) == data


@UNTIMED
@given(st.lists(typed_values(), max_size=3))
def test_a_printed_message_is_read_as_the_same_values_when_no_type_is_known(typed):
    kinds = [kind for kind, _ in typed]
    data = encode(kinds, [value for _, value in typed])
    text = format_reply(data)
    # A reference by itself has no methods or arguments, so it is none of a richer type.
    assume('func "' not in text and 'service "' not in text)
    assert decode(parse_arguments(text), kinds) == decode(data, kinds)


@UNTIMED
@given(typed_values())
def test_a_reader_that_expects_more_or_less_of_a_record_reads_the_rest(typed):
    kind, value = typed
    sent = encode([Record({"known": kind, "new": NAT})], [{"known": value, "new": 1}])
    expected = Record({"known": kind, "later": Opt(NAT)})
    found = decode(sent, [expected])[0]
    assert found == {"known": value, "later": None}


@UNTIMED
@given(typed_values(), pairs)
def test_below_an_option_nothing_fails(typed, other):
    kind, value = typed
    found = decode(encode([kind], [value]), [Opt(other[0]), Opt(RESERVED)])
    assert len(found) == 2


@UNTIMED
@given(typed_values(), pairs)
def test_a_subtype_is_always_decoded(typed, other):
    kind, value = typed
    if is_subtype(kind, other[0]):
        decode(encode([kind], [value]), [other[0]])


@UNTIMED
@given(pairs)
def test_a_type_is_a_subtype_of_itself(pair):
    assert is_subtype(pair[0], pair[0])
    assert is_subtype(pair[0], pair[0], strictly=True)


@UNTIMED
@given(typed_values(), st.data())
def test_a_damaged_message_is_an_error_or_another_message(typed, data):
    kind, value = typed
    message = bytearray(encode([kind], [value]))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        format_reply(bytes(message))
        decode(bytes(message), [kind])


@UNTIMED
@given(st.binary(max_size=60))
def test_any_bytes_are_an_error_or_a_message(data):
    with contextlib.suppress(DecodeError):
        decode_untyped(b"DIDL" + data)


PIECES = ["(", ")", "{", "}", ";", ",", ":", "=", ".", "->", '"a"', "1", "-2", "1.5", "opt", "vec",
          "record", "variant", "blob", "func", "service", "principal", "nat", "a", "null", "true",
          " ", "//", "/*", "*/", "\\", '"', "type", "import", "query"]  # fmt: skip


@UNTIMED
@given(st.lists(st.sampled_from(PIECES), max_size=20).map(" ".join) | st.text(max_size=30))
@example("(" * 1000)
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InputError):
        parse_arguments(text)
    with contextlib.suppress(DecodeError):
        parse_interface(text)
