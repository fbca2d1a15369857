"""What ``import juno_snap`` offers: all of it is there, and none of it is imported early."""

import ast
import subprocess
import sys

import pytest

import juno_snap
from tests.architecture.imports import PACKAGE


def names_for_type_checkers():
    """By module: the names that the root imports for type checkers."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {each.module: tuple(alias.name for alias in each.names) for each in block.body}


def test_type_checkers_and_programs_find_the_same_names():
    assert names_for_type_checkers() == juno_snap.HOMES
    offered = [name for names in juno_snap.HOMES.values() for name in names]
    assert sorted([*offered, "__version__"]) == juno_snap.__all__


@pytest.mark.parametrize("name", juno_snap.__all__)
def test_every_name_can_be_had(name):
    assert getattr(juno_snap, name)
    assert name in dir(juno_snap)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        _ = juno_snap.conect


def test_importing_the_root_imports_nothing_else_of_it():
    script = "import sys, juno_snap; print(*sorted(n for n in sys.modules if 'juno_snap' in n))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["juno_snap", "juno_snap.version"]
