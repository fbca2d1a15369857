"""Reads the imports of the package from its source text; nothing of it is executed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "juno_snap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import statement: who imports what, wherever it stands (also inside functions)."""

    importer: str
    imported: str
    line: int
    at_module_level: bool


def source_files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """``juno_snap.wire.cbor`` for its file; a package is named without ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[Import]:
    """The imports of one file, submodules resolved where ``from package import module`` is used."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top_level = set(map(id, tree.body))
    name = module_name(path)
    for node in ast.walk(tree):
        level = id(node) in top_level
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(
                    importer=name, imported=alias.name, line=node.lineno, at_module_level=level
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                target = f"{node.module}.{alias.name}"
                found = is_own_module(target)
                yield Import(
                    importer=name,
                    imported=target if found else node.module,
                    line=node.lineno,
                    at_module_level=level,
                )


def is_own_module(dotted: str) -> bool:
    """Whether ``dotted`` is a file or folder of the package."""
    place = ROOT.joinpath(*dotted.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def all_imports() -> list[Import]:
    """The imports of every file of the package."""
    return [found for path in source_files() for found in imports_of(path)]
