"""Hypothesis strategies: Candid types, each with its values."""

from hypothesis import strategies as st

from juno_snap.ids import Principal
from juno_snap.wire.candid import (
    BLOB,
    BOOL,
    FLOAT32,
    FLOAT64,
    INT,
    INT8,
    INT16,
    INT32,
    INT64,
    NAT,
    NAT8,
    NAT16,
    NAT32,
    NAT64,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    Func,
    FuncRef,
    Opt,
    Rec,
    Record,
    Service,
    Tagged,
    Tuple,
    Variant,
    Vec,
)

principals = st.binary(max_size=29).map(Principal)
texts = st.text(max_size=12)


def whole(bits, *, signed):
    low = -(1 << bits - 1) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


LEAVES = [
    (NULL, st.none()),
    (RESERVED, st.none()),
    (BOOL, st.booleans()),
    (NAT, st.integers(0, 2**130)),
    (INT, st.integers(-(2**130), 2**130)),
    (NAT8, whole(8, signed=False)),
    (NAT16, whole(16, signed=False)),
    (NAT32, whole(32, signed=False)),
    (NAT64, whole(64, signed=False)),
    (INT8, whole(8, signed=True)),
    (INT16, whole(16, signed=True)),
    (INT32, whole(32, signed=True)),
    (INT64, whole(64, signed=True)),
    (FLOAT32, st.floats(width=32, allow_nan=False)),
    (FLOAT64, st.floats(allow_nan=False)),
    (TEXT, texts),
    (PRINCIPAL, principals),
    (BLOB, st.binary(max_size=20)),
    (Func([NAT], [TEXT], ["query"]), st.builds(FuncRef, principals, texts)),
    (Service({"a": Func([], [])}), principals),
]


def chain():
    """A linked list, the recursive type that everybody writes."""
    link = Rec()
    link.fill(Opt(Record({"head": INT, "tail": link})))
    values = st.recursive(
        st.none(),
        lambda tail: st.fixed_dictionaries({"head": st.integers(-9, 9), "tail": tail}),
        max_leaves=5,
    )
    return link, values


def opt_of(inner):
    kind = Opt(inner[0])
    return kind, st.none() | inner[1].map(kind.wrap)


def vec_of(inner):
    kind = Vec(inner[0])
    return kind, st.binary(max_size=8) if kind.is_blob else st.lists(inner[1], max_size=4)


def record_of(parts):
    kind = Record({label: part for label, (part, _) in parts.items()})
    return kind, st.fixed_dictionaries({label: values for label, (_, values) in parts.items()})


def tuple_of(parts):
    return Tuple(*[part for part, _ in parts]), st.tuples(*[values for _, values in parts])


def variant_of(parts):
    kind = Variant({label: part for label, (part, _) in parts.items()})
    values = [st.builds(Tagged, st.just(label), part[1]) for label, part in parts.items()]
    return kind, st.one_of(values)


def labels():
    numbered = st.integers(10, 2**32 - 1).map("_{}_".format)
    # A name may look like anything but a number in this project's own spelling.
    return st.sampled_from(["a", "b", "type", "a b", "", "ok"]) | texts.filter(is_name) | numbered


def is_name(text):
    return not (text.startswith("_") and text.endswith("_"))


def composites(inner):
    named = st.dictionaries(labels(), inner, max_size=3).filter(has_distinct_ids)
    return st.one_of(
        inner.map(opt_of),
        inner.map(vec_of),
        named.map(record_of),
        st.lists(inner, min_size=1, max_size=3).map(tuple_of),
        named.filter(len).map(variant_of),
    )


def has_distinct_ids(parts):
    return len({Record({label: NULL}).fields[0].number for label in parts}) == len(parts)


pairs = st.recursive(
    st.sampled_from(LEAVES) | st.builds(chain), composites, max_leaves=8
)  # (type, strategy of its values)


@st.composite
def typed_values(draw):
    """A type and one of its values."""
    kind, values = draw(pairs)
    return kind, draw(values)
