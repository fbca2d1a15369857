import functools

import pytest

from juno_snap.errors import InputError
from juno_snap.flow.flow import Attempts, Flow


def with_context(msg, cfg, snapshot, ctx):
    return None


def without(msg, cfg, snapshot):
    return None


def with_any(*arguments):
    return None


def with_default(msg, cfg, snapshot, ctx=None):
    return None


async def awaited(msg, cfg, snapshot, ctx):
    return None


class Called:
    async def __call__(self, msg, cfg, snapshot):
        return None


@pytest.mark.parametrize(
    ("function", "takes_context", "is_async"),
    [
        (with_context, True, False),
        (without, False, False),
        (with_any, True, False),
        (with_default, True, False),
        (awaited, True, True),
        (Called(), False, True),
        (functools.partial(awaited), True, True),
        (lambda msg, cfg, snapshot: None, False, False),
    ],
)
@pytest.mark.proves("B29")
def test_a_step_is_a_function_of_three_or_four(function, takes_context, is_async):
    flow = Flow("f")
    assert flow.step("a")(function) is function
    (step,) = flow.steps
    assert (step.takes_context, step.is_async) == (takes_context, is_async)


@pytest.mark.parametrize(
    "function", [lambda: None, lambda a, b: None, lambda a, b, c, d, e: None, dict.fromkeys, min]
)
def test_other_functions_are_refused(function):
    with pytest.raises(InputError, match="step 'a'"):
        Flow("f").step("a")(function)


def test_ids_are_unique_and_in_order():
    flow = Flow("f")
    flow.step("b")(without)
    flow.step("a")(without)
    assert [step.id for step in flow.steps] == ["b", "a"]
    with pytest.raises(InputError, match="already"):
        flow.step("a")(without)


@pytest.mark.parametrize(
    "said",
    [
        {"cfg": {"a": {1}}},
        {"attempts": Attempts(most=0)},
        {"concurrency": 0},
        {"step_id": "a b"},
    ],
)
def test_a_declaration_that_cannot_work_is_refused(said):
    with pytest.raises(InputError):
        Flow("f").step(**{"step_id": "a", **said})(without)


@pytest.mark.parametrize("name", ["", "a/b", ".."])
def test_a_flow_has_a_name(name):
    with pytest.raises(InputError):
        Flow(name)
