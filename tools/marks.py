"""The marks of tests, read from their source: what ``@pytest.mark.NAME(…)`` says and which test says it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Pin", "marks", "python_tests"]


@dataclass(frozen=True, order=True)
class Pin:
    """A test function: its file, relative to this tree, and its name."""

    path: str
    name: str

    def link(self, depth: int = 2) -> str:
        """It in Markdown, for a page that lies ``depth`` folders deep."""
        return f"[{self.name}]({'../' * depth}{self.path})"


def marks(source: str, mark: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(function, arguments) for each ``pytest.mark.<mark>`` among a test's decorators, parameters' marks too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in (inner for decorator in node.decorator_list for inner in ast.walk(decorator)):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == f"pytest.mark.{mark}":
                    yield node.name, tuple(ast.literal_eval(argument) for argument in call.args)


def python_tests(root: Path) -> Iterator[tuple[str, str]]:
    """(path relative to ``root``, source) of every file of tests."""
    for path in sorted((root / "tests").rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
