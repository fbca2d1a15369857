"""What flows have to do, and the test that proves each: ``python -m tests.requirements``.

A test says what it proves with ``@pytest.mark.proves("A1", "B3")``. A is what a step snapshot is
for, B is how one is made and used.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent

REQUIREMENTS = {
    "A1": "a step snapshot is a state that one can go back to",
    "A2": "a step's process may be stopped and started at any moment",
    "A3": "nothing in memory survives a stop",
    "A4": "without a step snapshot the work is done again",
    "A5": "it holds the state of the last run",
    "A6": "the next run starts at the same point",
    "A7": "it saves the last action",
    "A8": "nothing is done twice over an unchanged source",
    "A9": "work that was done is not done again",
    "A10": "taking and using are asynchronous",
    "A11": "a failure loses only what was emitted after the last one",
    "A12": "one for each step of a flow",
    "A13": "at most 5,120 bytes, on every surface and in the database",
    "A14": "no database: a refusal and a warning say so",
    "A15": "periodic: the time of the last request chooses the next part",
    "A16": "by id: what was read is not read again",
    "A17": "sessions: an iteration knows the session of the last one",
    "A18": "a marker of the last action, from which the step proceeds",
    "A19": "the documentation leads from one part to the next",
    "B1": "made, read, changed and removed on every surface",
    "B2": "a copy of a moment",
    "B3": "one can go back to it",
    "B4": "a step that stopped starts again",
    "B5": "a stop loses what is in memory",
    "B6": "processing goes on from the last one",
    "B7": "a newer one replaces the older, never the other way round",
    "B8": "nothing is duplicated",
    "B9": "work is saved",
    "B10": "taking is asynchronous",
    "B11": "what a failure may lose is bounded",
    "B12": "at most 5 kB",
    "B13": "no store for data",
    "B14": "periodic requests",
    "B15": "queries by id",
    "B16": "iterations by session",
    "B17": "a marker of the last action",
    "B18": "emitted from the step's function, and nowhere else",
    "B19": "the first run begins with a configured date",
    "B20": "pages: stopped in one, it goes on with that one",
    "B21": "the marker is the largest date that came back",
    "B22": "the present time is no marker",
    "B23": "the step alone knows what its marker means",
    "B24": "the date is emitted when everything was iterated over",
    "B25": "the last one is handed to the step",
    "B26": "text is a snapshot too; a wrong one is warned of",
    "B27": "the examples take the largest date",
    "B28": "the last one wins",
    "B29": "the step takes message, configuration, snapshot",
    "B30": "all three can be shown as JSON, secrets hidden",
    "B31": "the first one is an empty object that can be changed",
    "B32": "a counter counts runs",
    "B33": "an emit replaces the whole",
    "B34": "data may be emitted after the snapshot",
    "B35": "a flow can be reset, but not while it runs",
    "B36": "five calls over HTTP: list, get, create, edit, delete",
}


def proofs() -> dict[str, list[str]]:
    """The tests of each requirement."""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for number in _proved(node):
                    found[number].append(f"{path.relative_to(TESTS.parent)}::{node.name}")
    return dict(found)


def missing() -> list[str]:
    """Requirements that nothing proves."""
    found = proofs()
    return [number for number in REQUIREMENTS if number not in found]


def _proved(test: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        ast.literal_eval(argument)
        for decorator in test.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.proves"
        for argument in decorator.args
    ]


def show() -> int:
    found = proofs()
    for number, text in REQUIREMENTS.items():
        sys.stdout.write(f"{number:<4} {text}\n")
        for test in found.get(number, []):
            sys.stdout.write(f"       {test}\n")
    left = missing()
    sys.stdout.write(
        f"{len(REQUIREMENTS)} requirements; without proof: {', '.join(left) or 'none'}\n"
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(show())
