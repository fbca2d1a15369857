import pytest
from hypothesis import given
from hypothesis import strategies as st

from juno_snap.errors import DecodeError
from juno_snap.wire import cbor
from juno_snap.wire.hashtree import (
    Absent,
    Empty,
    Fork,
    Found,
    FoundTree,
    Labeled,
    Leaf,
    NoValueError,
    Pruned,
    Unknown,
    check_well_formed,
    decode_tree,
    encode_tree,
    labels,
    lookup,
    lookup_subtree,
    root_hash,
)
from tests.unit.wire.certificates import hide, prune, tree_of

states = st.recursive(
    st.binary(max_size=4),
    lambda inner: st.dictionaries(st.binary(max_size=2), inner, min_size=1, max_size=5),
    max_leaves=12,
)
maps = st.dictionaries(st.binary(max_size=2), states, min_size=1, max_size=6)
paths = st.lists(st.binary(max_size=2), max_size=3).map(tuple)

TREE = tree_of({b"a": b"1", b"c": {b"x": b"2", b"y": b"3"}, b"e": b"4", b"g": b"5"})


def value_at(state, path):
    for label in path:
        if not isinstance(state, dict) or label not in state:
            return None
        state = state[label]
    return state


def expected(value):
    if value is None:
        return Absent()
    return Found(value)


@given(maps, paths)
def test_a_whole_tree_answers_like_the_state_it_was_made_of(state, path):
    value = value_at(state, path)
    if isinstance(value, dict):
        with pytest.raises(NoValueError):
            lookup(tree_of(state), path)
    else:
        assert lookup(tree_of(state), path) == expected(value)


@given(maps, st.data())
def test_pruning_never_changes_the_hash_and_never_lies(state, data):
    tree = tree_of(state)
    hidden = hide(tree, data.draw(st.sampled_from(sorted(state))))
    assert root_hash(hidden) == root_hash(tree)
    path = data.draw(paths.filter(bool))
    value = value_at(state, path)
    if not isinstance(value, dict):
        assert lookup(hidden, path) in (expected(value), Unknown())


@given(maps)
def test_a_tree_survives_its_encoding(state):
    tree = tree_of(state)
    check_well_formed(tree)
    assert decode_tree(cbor.decode(cbor.encode(encode_tree(tree)))) == tree


def test_every_kind_of_node_survives_its_encoding():
    tree = Fork(Fork(Empty(), Labeled(b"a", Leaf(b"1"))), Pruned(bytes(32)))
    assert encode_tree(tree) == [1, [1, [0], [2, b"a", [3, b"1"]]], [4, bytes(32)]]
    assert decode_tree(encode_tree(tree)) == tree


@pytest.mark.parametrize(
    ("hidden", "path", "answer"),
    [
        pytest.param((b"c",), (b"c", b"x"), Unknown(), id="hidden-itself"),
        pytest.param((b"c",), (b"b",), Unknown(), id="left-neighbour-of-the-hidden"),
        pytest.param((b"c",), (b"d",), Unknown(), id="right-neighbour-of-the-hidden"),
        pytest.param((b"c",), (b"f",), Absent(), id="between-visible-labels"),
        pytest.param((b"c",), (b"0",), Absent(), id="before-the-first"),
        pytest.param((b"c",), (b"h",), Absent(), id="after-the-last"),
        pytest.param((b"a",), (b"0",), Unknown(), id="before-a-hidden-first"),
        pytest.param((b"g",), (b"h",), Unknown(), id="after-a-hidden-last"),
        pytest.param((b"c", b"x"), (b"c", b"x"), Unknown(), id="hidden-below"),
        pytest.param((b"c", b"x"), (b"c", b"y"), Found(b"3"), id="beside-the-hidden-below"),
        pytest.param((b"c", b"x"), (b"a", b"x"), Absent(), id="below-a-value"),
    ],
)
def test_absent_needs_both_neighbours_in_sight(hidden, path, answer):
    assert lookup(hide(TREE, *hidden), path) == answer


def test_ends_of_paths():
    assert lookup(Empty(), ()) == Absent()
    assert lookup(Empty(), (b"a",)) == Absent()
    assert lookup(Leaf(b"1"), ()) == Found(b"1")
    assert lookup(Pruned(bytes(32)), ()) == Unknown()
    assert lookup(Pruned(bytes(32)), (b"a",)) == Unknown()
    with pytest.raises(NoValueError):
        lookup(TREE, ())
    with pytest.raises(NoValueError):
        lookup(TREE, (b"c",))


def test_finds_trees_and_their_visible_labels():
    found = lookup_subtree(TREE, (b"c",))
    assert found == FoundTree(tree_of({b"x": b"2", b"y": b"3"}))
    assert labels(found.tree) == [b"x", b"y"]
    assert labels(hide(TREE, b"c")) == [b"a", b"e", b"g"]
    assert lookup_subtree(TREE, (b"a",)) == FoundTree(Leaf(b"1"))
    assert lookup_subtree(TREE, (b"b",)) == Absent()
    assert lookup_subtree(Labeled(b"a", Empty()), (b"a",)) == Absent()
    assert lookup_subtree(Labeled(b"a", prune(TREE)), (b"a",)) == Unknown()


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(Fork(Labeled(b"b", Empty()), Labeled(b"a", Empty())), id="decreasing"),
        pytest.param(Fork(Labeled(b"a", Empty()), Labeled(b"a", Empty())), id="equal"),
        pytest.param(
            Fork(Labeled(b"b", Empty()), Fork(Pruned(bytes(32)), Labeled(b"a", Empty()))),
            id="decreasing-across-a-pruned-tree",
        ),
        pytest.param(Fork(Leaf(b""), Labeled(b"a", Empty())), id="value-beside-a-label"),
        pytest.param(Fork(Leaf(b""), Empty()), id="value-in-a-fork"),
        pytest.param(Labeled(b"a", Fork(Leaf(b"1"), Leaf(b"2"))), id="two-values-below"),
    ],
)
def test_refuses_a_tree_that_is_not_well_formed(tree):
    with pytest.raises(DecodeError):
        check_well_formed(tree)


@pytest.mark.parametrize(
    "node",
    [
        pytest.param([], id="empty-array"),
        pytest.param(0, id="no-array"),
        pytest.param([5], id="unknown-kind"),
        pytest.param([False], id="boolean-kind"),
        pytest.param(["0"], id="text-kind"),
        pytest.param([0, b""], id="empty-with-content"),
        pytest.param([1, [0]], id="fork-with-one-side"),
        pytest.param([1, [0], [0], [0]], id="fork-with-three-sides"),
        pytest.param([2, [0]], id="no-label"),
        pytest.param([2, "a", [0]], id="label-as-text"),
        pytest.param([3, "a"], id="value-as-text"),
        pytest.param([3], id="no-value"),
        pytest.param([4, bytes(31)], id="digest-cut-short"),
        pytest.param([4, bytes(33)], id="digest-too-long"),
        pytest.param([2, b"a", [2, b"b", [9]]], id="far-below"),
    ],
)
def test_refuses_a_node_of_another_shape(node):
    with pytest.raises(DecodeError):
        decode_tree(node)


def test_refuses_a_tree_that_is_too_deep():
    node = [0]
    for _ in range(5000):
        node = [2, b"a", node]
    with pytest.raises(DecodeError, match="too deep"):
        decode_tree(node)
