"""The state tree: any set of labels, each proven to be there or not."""

from hypothesis import given
from hypothesis import strategies as st

from juno_snap.replica.certify_tree import Branch, Value, Wanted, witness
from juno_snap.wire.hashtree import (
    Absent,
    Found,
    Pruned,
    Unknown,
    check_well_formed,
    labels,
    lookup,
    root_hash,
)

LABELS = st.binary(max_size=4)
CHILDREN = st.dictionaries(LABELS, st.binary(max_size=3), max_size=40)


def branch_of(children):
    return Branch.of({label: Value(content) for label, content in children.items()})


def shown(node, *paths):
    return witness(node, Wanted.of(paths))


@given(CHILDREN)
def test_labels_come_in_bytewise_order(children):
    assert branch_of(children).labels() == sorted(children)


@given(CHILDREN, st.randoms())
def test_the_digest_depends_on_the_content_alone(children, random):
    shuffled = list(children.items())
    random.shuffle(shuffled)
    other = branch_of({b"extra": b"", **dict(shuffled)})
    if b"extra" not in children:
        other = other.remove(b"extra")
    else:
        other = other.put(b"extra", Value(children[b"extra"]))
    assert other.digest == branch_of(children).digest


@given(CHILDREN, LABELS)
def test_every_label_is_proven_there_or_absent(children, label):
    branch = branch_of(children)
    tree = shown(branch, (label,))
    check_well_formed(tree)
    assert root_hash(tree) == branch.digest
    expected = Found(children[label]) if label in children else Absent()
    assert lookup(tree, (label,)) == expected


@given(CHILDREN, LABELS, LABELS)
def test_two_labels_can_be_asked_at_once(children, one, other):
    tree = shown(branch_of(children), (one,), (other,))
    for label in (one, other):
        expected = Found(children[label]) if label in children else Absent()
        assert lookup(tree, (label,)) == expected


@given(CHILDREN.filter(lambda children: len(children) > 3))
def test_what_was_not_asked_for_stays_hidden(children):
    first, *_, last = sorted(children)
    tree = shown(branch_of(children), (first,))
    assert lookup(tree, (last,)) == Unknown()
    assert labels(tree) == [first]


@given(CHILDREN, LABELS)
def test_a_removed_label_is_absent(children, label):
    branch = branch_of(children).remove(label)
    assert branch.labels() == sorted(set(children) - {label})
    assert lookup(shown(branch, (label,)), (label,)) == Absent()


def test_absence_shows_both_neighbours_and_nothing_below_them():
    branch = branch_of({bytes([label]): b"secret" for label in range(0, 200, 2)})
    tree = shown(branch, (b"\x65",))
    assert labels(tree) == [b"\x64", b"\x66"]
    assert b"secret" not in repr(tree).encode()
    assert lookup(tree, (b"\x65",)) == Absent()
    assert lookup(tree, (b"\x64",)) == Unknown()


def test_a_path_below_an_absent_label_is_absent():
    tree = Branch.of({b"a": branch_of({b"x": b"1"}), b"c": branch_of({b"x": b"2"})})
    assert lookup(shown(tree, (b"b", b"x")), (b"b", b"x")) == Absent()
    assert lookup(shown(tree, (b"a", b"y")), (b"a", b"y")) == Absent()


def test_a_path_through_a_value_is_absent():
    tree = branch_of({b"a": b"1"})
    assert lookup(shown(tree, (b"a", b"x")), (b"a", b"x")) == Absent()


def test_a_path_that_ends_at_a_branch_shows_all_of_it():
    tree = Branch.of({b"a": branch_of({b"x": b"1", b"y": b"2"}), b"b": branch_of({b"z": b"3"})})
    seen = shown(tree, (b"a",))
    assert lookup(seen, (b"a", b"x")) == Found(b"1")
    assert lookup(seen, (b"a", b"y")) == Found(b"2")
    assert lookup(seen, (b"b", b"z")) == Unknown()


def test_an_empty_branch_proves_any_absence():
    assert lookup(shown(Branch(), (b"a",)), (b"a",)) == Absent()


def test_nothing_asked_shows_a_digest():
    tree = branch_of({b"a": b"1"})
    assert shown(tree) == Pruned(tree.digest)


def test_one_more_label_makes_few_new_nodes():
    branch = Branch.of({number.to_bytes(4, "big"): Value(b"") for number in range(1024)})
    assert branch.digest
    before, after = nodes(branch), nodes(branch.put((2000).to_bytes(4, "big"), Value(b"")))
    assert len(after) == len(before) + 2
    assert len(after - before) <= 13


def nodes(branch):
    """The identities of all nodes of one level; the branch keeps them alive."""
    found, waiting = set(), [branch.level]
    while waiting:
        node = waiting.pop()
        found.add(node)
        waiting += [node.left, node.right] if hasattr(node, "left") else []
    return found
