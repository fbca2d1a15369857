import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.wire.request_id import hash_of_map

values = st.recursive(
    st.integers(0, 2**64) | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
maps = st.dictionaries(st.text("abc", max_size=3), values, max_size=4)


@given(maps, st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(fields, random):
    shuffled = list(fields.items())
    random.shuffle(shuffled)
    assert hash_of_map(dict(shuffled)) == hash_of_map(fields)


@given(maps, st.text("abc", max_size=3), values)
def test_every_field_counts(fields, name, value):
    assert (hash_of_map({**fields, name: value}) == hash_of_map(fields)) == (
        name in fields and same_hash(fields[name], value)
    )


def same_hash(one, other):
    return hash_of_map({"a": one}) == hash_of_map({"a": other})


@pytest.mark.parametrize(("one", "other"), [([1], 1), ([[1]], [1]), ({"a": 1}, [1]), (1, 2)])
def test_kinds_of_values_are_told_apart(one, other):
    assert not same_hash(one, other)


def test_text_and_its_bytes_hash_alike_as_the_specification_says():
    assert hash_of_map({"a": "text"}) == hash_of_map({"a": b"text"})
