"""A module fits in the head."""

import ast
import re

import pytest

from tests.architecture.imports import PACKAGE, ROOT, module_name, source_files

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
EXEMPTIONS_MAX = 20
TOP_LEVEL = {
    "pyproject.toml", "juno_snap", "tests", "config", "README.md", "CHANGELOG.md", "LICENSE",
    ".ci", ".gitignore", ".git",
}  # fmt: skip
MADE_BY_TOOLS = {
    ".venv",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "dist",
    "build",
}


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_module_is_short_enough(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES_MAX


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_functions_are_short_enough(path):
    long = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                long.append(f"{node.name}: {lines} lines")
    assert long == []


def test_every_package_says_what_it_is():
    silent = [
        module_name(path)
        for path in source_files()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_exemptions_are_few_and_give_a_reason():
    pattern = re.compile(r"#\s*(?:noqa|type: ignore)(?P<rest>.*)$")
    found, bare = [], []
    for path in source_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = pattern.search(line)
            if match:
                place = f"{path.relative_to(ROOT)}:{number}"
                found.append(place)
                if not re.match(r"(?:: [A-Z]+\d+|\[[\w-]+\]).*#? ?\w+", match["rest"]):
                    bare.append(place)
    assert bare == []
    assert len(found) <= EXEMPTIONS_MAX


def test_nothing_else_stands_at_the_top():
    there = {path.name for path in ROOT.iterdir()} - MADE_BY_TOOLS
    assert there <= TOP_LEVEL
    assert PACKAGE.is_dir()
