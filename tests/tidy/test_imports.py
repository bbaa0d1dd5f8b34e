"""Import rules that import-linter cannot hold: purity, the extension's one importer, nothing private across packages."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "taxiway"
# Modules that decide. They get the time and what was observed as arguments.
PURE = (
    "serve/plan.py",
    "serve/lifecycle.py",
    # All of it but what acts and chooses from a server's models for it, what calls a server, and what reads a plan's file.
    *sorted(
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "rollout").rglob("*.py")
        if path.stem not in ("choose", "commands", "controller", "read")
    ),
    # All of it but what draws.
    *sorted(
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "contract").rglob("*.py")
        if path.stem not in ("picture", "__init__")
    ),
)
# Of Python's own modules, what such a module may use: values and types, nothing that acts or observes.
PURE_MODULES = {
    "__future__", "bisect", "collections", "collections.abc", "dataclasses", "difflib", "enum", "functools", "itertools",
    "math", "operator", "re", "typing",
}  # fmt: skip
TAXIWAY_PURE = (
    "taxiway.errors", "taxiway.types", "taxiway.settings", "taxiway.journal", "taxiway.serve.lifecycle",
    "taxiway.rollout", "taxiway.contract",
)  # fmt: skip
# And of other packages: functions of numbers.
NUMERIC = ("numpy", "scipy")


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module a file imports, wherever it does; `from a import b` counts as a and as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def modules(tree: ast.AST) -> set[str]:
    """As :func:`imports`, without the names imported from a module."""
    named = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return named | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PURE)
def test_deciding_neither_acts_nor_observes(name: str) -> None:
    impure = {
        module
        for module in modules(parsed(SOURCE / name))
        if module not in PURE_MODULES and not module.startswith((*TAXIWAY_PURE, *NUMERIC))
    }
    assert impure == set()


@pytest.mark.parametrize("name", PURE)
def test_deciding_opens_and_prints_nothing(name: str) -> None:
    called = {
        node.func.id
        for node in ast.walk(parsed(SOURCE / name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & {"open", "print", "input", "exec", "eval", "__import__"} == set()


def test_one_module_imports_the_server_and_one_the_load_generator() -> None:
    importers = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if any(name == "taxiway._server" or name.startswith("taxiway._server.") for name in imports(parsed(path)))
    }
    assert importers == {"serve/server.py", "load/generator.py"}


def test_no_file_is_named_for_nothing() -> None:
    banned = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
    assert [str(path) for path in SOURCE.rglob("*.py") if path.stem in banned or path.parent.name in banned] == []


def test_the_standard_modules_a_pure_file_may_use_exist() -> None:
    assert {name.partition(".")[0] for name in PURE_MODULES} <= sys.stdlib_module_names


def test_only_those_that_make_models_import_tensorflow() -> None:
    guilty = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if {name.split(".")[0] for name in imports(parsed(path))} & {"tensorflow", "keras", "tf_keras"}
    }
    assert guilty and {name.split("/")[0] for name in guilty} <= {
        "artifacts",
        "browser",
        "edge",
        "export",
        "train",
        "tune",
    }, guilty
