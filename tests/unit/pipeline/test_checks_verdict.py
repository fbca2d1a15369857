import json

import pytest

from juno_snap.errors import RejectedError
from juno_snap.management.candid_check import Expectation
from juno_snap.pipeline.checks.verdict import (
    DETAIL_MAX_CHARS,
    attempt,
    of_call,
    of_call_reject,
    of_command,
    of_package,
    of_query,
    of_query_reject,
)
from juno_snap.processes import CommandResult
from juno_snap.wire.candid import NAT, TEXT, encode

THREE = Expectation(method="count", args="()", expected="3")


def reject(error_code, reject_code=None, *, certified=True):
    return RejectedError(
        "no",
        reject_code=reject_code or int(error_code[2:4]),
        error_code=error_code,
        certified=certified,
    )


def test_a_query_with_another_answer_is_in_doubt_and_a_call_with_one_is_bad():
    three, four = encode([NAT], [3]), encode([NAT], [4])
    assert of_query(three, THREE, None).outcome == "ok"
    assert of_call(three, THREE, None).outcome == "ok"
    assert of_query(four, THREE, None).outcome == "doubtful"
    bad = of_call(four, THREE, None)
    assert (bad.outcome, bad.detail) == ("bad", "replied (4 : nat), expected 3")
    assert not bad.is_final


@pytest.mark.parametrize(
    "code",
    ["IC0502", "IC0503", "IC0504", "IC0506", "IC0507", "IC0513", "IC0522", "IC0524", "IC0536",
     "IC0539"],
)  # fmt: skip
def test_a_fault_of_the_code_is_bad_only_where_it_is_certified(code):
    assert of_call_reject(reject(code)).outcome == "bad"
    assert of_call_reject(reject(code, certified=False)).outcome == "unknown"
    assert of_query_reject(reject(code, certified=False)).outcome == "doubtful"


@pytest.mark.parametrize(
    "code",
    ["IC0101", "IC0201", "IC0202", "IC0204", "IC0207", "IC0208", "IC0301", "IC0508", "IC0509",
     "IC0521", "IC0527", "IC0532", "IC0537", "IC0601", "IC0602", "IC0999"],
)  # fmt: skip
def test_what_passes_by_itself_or_is_unknown_says_nothing_of_the_code(code):
    assert of_call_reject(reject(code)).outcome == "unknown"


def test_a_refusal_by_the_module_itself_is_bad():
    assert of_call_reject(reject("IC0406", 4)).outcome == "bad"
    assert of_call_reject(reject("", 4)).outcome == "bad"
    assert of_call_reject(reject("IC0406", 5)).outcome == "unknown"
    assert of_call_reject(reject("", 5)).outcome == "unknown"
    assert of_call_reject(reject("", 4, certified=False)).outcome == "unknown"


def test_only_a_missing_method_stays_missing():
    assert of_call_reject(reject("IC0536")).is_final
    assert not of_call_reject(reject("IC0503")).is_final
    assert of_query_reject(reject("IC0536", certified=False)).is_urgent
    assert not of_query_reject(reject("IC0503", certified=False)).is_urgent


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ({"name": "x", "version": "1.2.3"}, "ok"),
        ({"version": "v1.2.3"}, "ok"),
        ({"version": "1.2.4"}, "bad"),
    ],
)
def test_metadata_decides_on_a_version(content, outcome):
    said = of_package(json.dumps(content).encode(), "1.2.3")
    assert (said.outcome, said.is_final) == (outcome, True)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\xff", b"[]", b"3", b"{}", b'{"version": 3}', b"[" * 100_000],
)
def test_metadata_without_a_version_decides_nothing(content):
    assert of_package(content, "1.2.3") is None


@pytest.mark.parametrize(
    ("exit_code", "outcome"),
    [(0, "ok"), (1, "bad"), (2, "bad"), (255, "bad"), (75, "unknown"), (126, "unknown"),
     (127, "unknown"), (None, "unknown")],
)  # fmt: skip
def test_a_command_says_by_its_exit_code(exit_code, outcome):
    problem = "" if exit_code is not None else "was killed"
    said = of_command(CommandResult(exit_code=exit_code, output="first\nlast\n\n", problem=problem))
    assert said.outcome == outcome
    assert said.detail == (f"exit code {exit_code}: last" if not problem else "was killed: last")


def test_a_detail_is_short_and_steers_no_terminal():
    long = of_call(encode([TEXT], ["x" * 100_000]), THREE, None).detail
    assert len(long) <= DETAIL_MAX_CHARS
    assert long.endswith("..., expected 3")
    assert attempt("ok", "\x1b[2Ja").detail == "\ufffd[2Ja"
