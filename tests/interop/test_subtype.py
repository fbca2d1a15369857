"""Subtyping of Candid types beside the platform's JavaScript library, on types drawn by chance."""

import json

import pytest

from juno_snap.wire.candid import (
    EMPTY,
    INT,
    NAT,
    NAT8,
    NULL,
    PRINCIPAL,
    RESERVED,
    TEXT,
    Func,
    Opt,
    Rec,
    Record,
    Service,
    Variant,
    Vec,
)
from juno_snap.wire.candid.subtype import is_subtype
from tests.chance import Chance
from tests.motoko import require_npm_packages, run_node

pytestmark = pytest.mark.interop

LEAVES = {
    "nat": NAT, "int": INT, "nat8": NAT8, "text": TEXT, "null": NULL, "reserved": RESERVED,
    "empty": EMPTY, "principal": PRINCIPAL,
}  # fmt: skip
PAIRS = 2_000


def list_of(part):
    link = Rec()
    link.fill(Record({"head": type_of(part), "tail": Opt(link)}))
    return link


def fields_of(parts):
    return {label: type_of(part) for label, part in parts.items()}


COMPOSITES = {
    "opt": lambda part: Opt(type_of(part)),
    "vec": lambda part: Vec(type_of(part)),
    "record": lambda parts: Record(fields_of(parts)),
    "variant": lambda parts: Variant(fields_of(parts)),
    "func": lambda args, results, modes: Func(
        [type_of(part) for part in args], [type_of(part) for part in results], modes
    ),
    "service": lambda parts: Service(fields_of(parts)),
    "list": list_of,
}


def type_of(tree):
    """The type that a tree of words spells."""
    return LEAVES[tree] if isinstance(tree, str) else COMPOSITES[tree[0]](*tree[1:])


def drawn(chance, depth):
    """A tree of words."""
    kind = chance.choose(["leaf", *COMPOSITES]) if depth else "leaf"
    if kind == "leaf":
        return chance.choose(list(LEAVES))
    if kind in {"record", "variant", "service"}:
        labels = ["a", "b", "c"][chance.below(3) :]
        inner = function if kind == "service" else drawn
        return [kind, {label: inner(chance, depth - 1) for label in labels}]
    return function(chance, depth) if kind == "func" else [kind, drawn(chance, depth - 1)]


def function(chance, depth):
    args, results = (
        [drawn(chance, max(depth - 1, 0)) for _ in range(chance.below(3))] for _ in range(2)
    )
    return ["func", args, results, chance.choose([[], [], ["query"]])]


def varied(chance, tree):
    """A tree like another one: here and there a part is wrapped, widened, dropped or drawn anew."""
    if chance.below(10) == 0:
        return chance.choose([["opt", tree], drawn(chance, 1)])
    match tree:
        case "nat":
            return chance.choose(["nat", "int"])
        case str():
            return tree
        case [kind, dict() as parts]:
            return [
                kind,
                {
                    label: part if kind == "service" else varied(chance, part)
                    for label, part in parts.items()
                    if len(parts) == 1 or chance.below(10)
                },
            ]
        case [kind, part]:
            return [kind, varied(chance, part)]
        case [kind, args, results, modes]:
            cut = chance.below(2)
            return [
                kind,
                [varied(chance, part) for part in args],
                [varied(chance, part) for part in results][: len(results) - cut],
                modes,
            ]


def takes_services_for_principals(lower, upper):
    """The specification has a service as a principal; the library does not know that."""
    return "service" in json.dumps([lower, upper]) and "principal" in json.dumps([lower, upper])


def test_verdicts_are_those_of_the_platforms_library():
    chance = Chance(4)
    pairs = []
    while len(pairs) < PAIRS:
        one = drawn(chance, 3)
        other = varied(chance, one)
        pair = chance.choose([(one, other), (other, one)])
        if not takes_services_for_principals(*pair):
            pairs.append(pair)
    require_npm_packages()
    ran = run_node(["node", "clients/subtype.mjs"], task=json.dumps(pairs))
    assert ran.returncode == 0, ran.stderr
    theirs = json.loads(ran.stdout)
    ours = [is_subtype(type_of(lower), type_of(upper)) for lower, upper in pairs]
    different = [
        (pair, our) for pair, our, their in zip(pairs, ours, theirs, strict=True) if our != their
    ]
    assert different == []
    assert PAIRS / 5 < sum(ours) < PAIRS * 4 / 5, "both verdicts are tried"
