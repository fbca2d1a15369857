"""The platform's JavaScript library on the certificates of ``tests/vectors``: it agrees with us."""

import json

import pytest

from tests.motoko import INTEROP, require_npm_packages, run_node

pytestmark = pytest.mark.interop

FOLDER = INTEROP.parent / "vectors"
VECTORS = FOLDER / "hostile_certificates.json"

LAXER = {
    "something behind it",
    "labels in the wrong order",
    "a label twice",
    "a wrong order further below",
    "a delegation without an order",
}
"""What @icp-sdk/core believes and we do not: it does not look at the order of labels, which the
specification calls for, nor behind the end."""

STRICTER = {"of another subnet, in the second of three shards"}
"""What it refuses though the specification does not: among several shards it takes the first."""


def output_of(*command, task=""):
    require_npm_packages()
    ran = run_node(["node", *command], task=task)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_vectors_are_what_their_maker_makes():
    made = output_of(str(FOLDER / "make_hostile_certificates.mjs"))
    assert made == VECTORS.read_text(encoding="utf-8")


def test_another_library_believes_the_good_ones_only():
    vectors = VECTORS.read_text(encoding="utf-8")
    verdicts = json.loads(output_of("clients/certificates.mjs", task=vectors))
    believed = {name for name, verdict in verdicts.items() if verdict == "replied"}
    assert believed == json.loads(vectors)["good"].keys() - STRICTER | LAXER
    assert len(verdicts) > 60
