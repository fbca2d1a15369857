"""Whether a new interface still serves those who know the old one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from juno_snap.wire.candid import (
    EMPTY,
    RESERVED,
    TEXT,
    Func,
    Opt,
    Record,
    Service,
    Variant,
    compare_interfaces,
    decode,
    encode,
    parse_interface,
)
from juno_snap.wire.candid.subtype import compare_types
from tests.unit.wire.candid.candid_values import pairs, typed_values

UNTIMED = settings(deadline=None, max_examples=60)

TYPES = """
type List = opt record { head : nat; tail : List };
type LongList = opt record { head : int; tail : LongList };
type Tree = record { value : text; children : vec Tree };
type Bush = record { value : nat; children : vec Bush };
type A = record { next : opt B };
type B = record { next : opt A };
type User = record { name : text; age : nat };
"""


def compared(new, old):
    """The differences of two services, each given by its methods."""
    return compare_interfaces(
        parse_interface(f"{TYPES} service : {{ {new} }}"),
        parse_interface(f"{TYPES} service : {{ {old} }}"),
    )


# The new methods and the old ones.
ALLOWED = [
    pytest.param("a : () -> ()", "", id="a new method"),
    pytest.param("a : (int) -> ()", "a : (nat) -> ()", id="takes more"),
    pytest.param("a : () -> (nat)", "a : () -> (int)", id="gives less"),
    pytest.param("a : (nat, opt text) -> ()", "a : (nat) -> ()", id="an optional argument more"),
    pytest.param("a : (null, reserved) -> ()", "a : () -> ()", id="arguments of no content"),
    pytest.param("a : () -> ()", "a : (nat) -> ()", id="an argument less"),
    pytest.param("a : () -> (nat, text)", "a : () -> (nat)", id="a result more"),
    pytest.param("a : () -> ()", "a : () -> (opt text)", id="an optional result less"),
    pytest.param(
        "a : (record { x : nat; y : opt nat }) -> ()",
        "a : (record { x : nat }) -> ()",
        id="an optional field more is taken",
    ),
    pytest.param(
        "a : () -> (record { x : nat; y : text })",
        "a : () -> (record { x : nat })",
        id="a field more is given",
    ),
    pytest.param(
        "a : (variant { on; off; dim }) -> ()",
        "a : (variant { on; off }) -> ()",
        id="a tag more is taken",
    ),
    pytest.param("a : () -> (variant { on })", "a : () -> (variant { on; off })", id="a tag less"),
    pytest.param("a : (reserved) -> ()", "a : (text) -> ()", id="takes anything"),
    pytest.param("a : () -> (empty)", "a : () -> (text)", id="gives nothing ever"),
    pytest.param("a : () -> (nat)", "a : () -> (opt nat)", id="an option is always given"),
    pytest.param("a : () -> (vec nat)", "a : () -> (vec int)", id="vectors"),
    pytest.param("a : (LongList) -> ()", "a : (List) -> ()", id="recursive types"),
    pytest.param("a : (A) -> ()", "a : (B) -> ()", id="types that are recursive together"),
    pytest.param(
        "a : (func (nat) -> (int)) -> ()", "a : (func (int) -> (nat)) -> ()", id="a callback"
    ),
    pytest.param(
        "a : () -> (service { b : () -> (); c : () -> () })",
        "a : () -> (service { b : () -> () })",
        id="a service with a method more",
    ),
    pytest.param("a : () -> (service {})", "a : () -> (principal)", id="a service is a principal"),
]  # fmt: skip

BREAKING = [
    pytest.param("", "a : () -> ()", "method a is expected and not there", id="a method less"),
    pytest.param(
        "a : () -> () query",
        "a : () -> ()",
        "method a: a method of mode query where a method of mode update is expected",
        id="another mode",
    ),
    pytest.param(
        "a : (text, nat) -> ()",
        "a : (text, int) -> ()",
        "method a: argument 2: int where nat is expected",
        id="takes less",
    ),
    pytest.param(
        "a : () -> (int)",
        "a : () -> (nat)",
        "method a: result 1: int where nat is expected",
        id="gives more",
    ),
    pytest.param(
        "a : (text) -> ()",
        "a : () -> ()",
        "method a: argument 1 is expected and not given",
        id="an argument more",
    ),
    pytest.param(
        "a : () -> ()",
        "a : () -> (text)",
        "method a: result 1 is expected and not given",
        id="a result less",
    ),
    pytest.param(
        "a : (User) -> ()",
        "a : (record { name : text }) -> ()",
        "method a: argument 1: field age is expected and not given",
        id="a field more is wanted",
    ),
    pytest.param(
        "a : () -> (vec record { age : text; name : text })",
        "a : () -> (vec User)",
        "method a: result 1: item: field age: text where nat is expected",
        id="a field of another type",
    ),
    pytest.param(
        "a : () -> (variant { on; dim })",
        "a : () -> (variant { on })",
        "method a: result 1: tag dim may be given and is not expected",
        id="a tag more is given",
    ),
    pytest.param(
        "a : (Tree) -> ()",
        "a : (Bush) -> ()",
        "method a: argument 1: field value: nat where text is expected",
        id="recursive types that differ",
    ),
    pytest.param(
        "a : () -> (nat)",
        "a : () -> (nat64)",
        "method a: result 1: nat where nat64 is expected",
        id="nat is no nat64",
    ),
    pytest.param(
        "a : () -> (opt nat)",
        "a : () -> (nat)",
        "method a: result 1: opt where nat is expected",
        id="may give nothing",
    ),
    pytest.param(
        "a : (func (nat) -> ()) -> ()",
        "a : (func (nat) -> () query) -> ()",
        "method a: argument 1: a method of mode query where a method of mode update is expected",
        id="a callback of another mode",
    ),
    pytest.param(
        "a : (service { b : () -> () }) -> ()",
        "a : (service {}) -> ()",
        "method a: argument 1: method b is expected and not there",
        id="a service with a method less",
    ),
    pytest.param(
        "a : () -> (principal)",
        "a : () -> (service {})",
        "method a: result 1: principal where service is expected",
        id="a principal is no service",
    ),
]  # fmt: skip

LOSSY = [
    pytest.param(
        "a : (opt text) -> ()",
        "a : (opt nat) -> ()",
        "method a: argument 1: nat where text is expected",
        id="an option of another type",
    ),
    pytest.param(
        "a : () -> (record { x : text })",
        "a : () -> (record { x : opt nat })",
        "method a: result 1: field x: text where nat is expected",
        id="no option any more, and of another type",
    ),
    pytest.param(
        "a : () -> (opt variant { on; dim })",
        "a : () -> (opt variant { on })",
        "method a: result 1: tag dim may be given and is not expected",
        id="a tag more under an option",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("new", "old"), ALLOWED)
def test_callers_of_the_old_interface_are_served(new, old):
    assert compared(new, old).breaking == compared(new, old).lossy == ()


@pytest.mark.parametrize(("new", "old", "reason"), BREAKING)
def test_callers_of_the_old_interface_fail_and_the_place_is_named(new, old, reason):
    differences = compared(new, old)
    assert differences.breaking == (reason,)
    assert differences.lossy == ()


@pytest.mark.parametrize(("new", "old", "reason"), LOSSY)
def test_what_does_not_fit_into_an_option_is_lost_and_breaks_nothing(new, old, reason):
    differences = compared(new, old)
    assert differences.breaking == ()
    assert differences.lossy == (reason,)


def test_every_reason_is_told():
    differences = compared(
        "a : (nat) -> (int); c : () -> ()", "a : (int) -> (nat); b : () -> (); c : () -> () query"
    )
    assert len(differences.breaking) == 4


def test_the_same_difference_breaks_one_method_and_costs_another_an_option():
    differences = compared(
        "a : () -> (opt User); b : () -> (User)",
        "a : () -> (opt record { age : text }); b : () -> (record { age : text })",
    )
    assert differences.breaking == ("method b: result 1: field age: nat where text is expected",)
    assert differences.lossy == ("method a: result 1: field age: nat where text is expected",)


def test_a_chain_of_types_may_be_long():
    links = " ".join(f"type T{n} = record {{ T{n + 1} }};" for n in range(5_000))
    old = f"{links} type T5000 = nat; service : {{ a : () -> (T0) }}"
    new = old.replace("= nat;", "= text;")
    (reason,) = compare_interfaces(parse_interface(new), parse_interface(old)).breaking
    assert reason.startswith("method a: result 1: field _0_: field _0_: ")
    assert reason.endswith(": text where nat is expected")


services = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), pairs, max_size=4)


def service_of(parts):
    return Service({name: Func([kind], [kind]) for name, (kind, _) in parts.items()})


@UNTIMED
@given(services)
def test_a_service_serves_its_own_callers(parts):
    differences = compare_types(service_of(parts), service_of(parts))
    assert differences.breaking == differences.lossy == ()


@UNTIMED
@given(services, services)
def test_a_service_with_more_methods_serves_and_one_with_fewer_does_not(parts, more):
    larger = {**more, **parts}
    added = [name for name in larger if name not in parts]
    assert compare_types(service_of(larger), service_of(parts)).breaking == ()
    assert compare_types(service_of(parts), service_of(larger)).breaking == tuple(
        f"method {name} is expected and not there" for name in sorted(added)
    )


@UNTIMED
@given(typed_values(), pairs)
def test_a_value_is_read_at_a_type_without_breaking_differences(typed, other):
    kind, value = typed
    if not compare_types(kind, other[0]).breaking:
        decode(encode([kind], [value]), [other[0]])


@UNTIMED
@given(pairs, pairs)
def test_below_an_option_every_difference_is_a_loss(one, other):
    plain = compare_types(one[0], other[0])
    optional = compare_types(Opt(one[0]), Opt(other[0]))
    assert optional.breaking == ()
    assert bool(optional.lossy) == bool(plain.breaking + plain.lossy)


@UNTIMED
@given(pairs, pairs)
def test_options_may_be_added_to_what_is_taken_and_to_what_is_given(old, added):
    before, after = Record({"old": old[0]}), Record({"old": old[0], "added": Opt(added[0])})
    assert compare_types(before, after).breaking == ()
    assert compare_types(after, before).breaking == ()


@UNTIMED
@given(pairs)
def test_everything_is_reserved_and_nothing_is_everything(pair):
    assert compare_types(pair[0], RESERVED).breaking == ()
    assert compare_types(EMPTY, pair[0]).breaking == ()


@UNTIMED
@given(pairs, pairs)
def test_callbacks_turn_the_question_around(one, other):
    plain = compare_types(one[0], other[0]).breaking
    turned = compare_types(Func([other[0]], []), Func([one[0]], [])).breaking
    assert bool(plain) == bool(turned)


def test_a_variant_of_one_tag_is_one_of_two():
    one, two = Variant({"a": TEXT}), Variant({"a": TEXT, "b": TEXT})
    assert compare_types(one, two).breaking == ()
    assert compare_types(two, one).breaking == ("tag b may be given and is not expected",)
