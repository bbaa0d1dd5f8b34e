"""Refuses a file, function or parameter list that grew too long to be read in one go.

    python tools/sizes.py

Files: 400 lines, Python, Rust and shell. Functions: 60 lines and 6 parameters, keyword-only ones not counted, since a
call names them, but 10 in all; Python here, Rust by clippy (clippy.toml). The aim is control flow in one parent and
pure leaves, not the number.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES = 400
FUNCTION_LINES = 60
POSITIONAL = 6
PARAMETERS = 10
MEASURED = {".py", ".rs", ".sh"}


def tracked() -> Iterator[Path]:
    """The files of this tree that git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in sorted(filter(None, listed.split("\0"))):
        if (ROOT / name).is_file():
            yield Path(name)


def function_problems(source: str) -> Iterator[tuple[int, str]]:
    """(line, sentence) for each function of a Python source that is over a limit; docstrings are not counted."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = _span(node) - (_span(node.body[0]) if ast.get_docstring(node, clean=False) is not None else 0)
        if lines > FUNCTION_LINES:
            yield node.lineno, f"{node.name} has {lines} lines, over {FUNCTION_LINES}"
        given = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
        positional = len(given) - (given[:1] in (["self"], ["cls"]))
        if positional > POSITIONAL:
            yield node.lineno, f"{node.name} takes {positional} positional parameters, over {POSITIONAL}"
        parameters = positional + len(node.args.kwonlyargs)
        if parameters > PARAMETERS:
            yield node.lineno, f"{node.name} takes {parameters} parameters, over {PARAMETERS}"


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def problems(name: Path, source: str) -> Iterator[str]:
    """A sentence for each limit that the file is over."""
    lines = source.count("\n")
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines, over {FILE_LINES}"
    if name.suffix == ".py":
        for line, sentence in function_problems(source):
            yield f"{name}:{line}: {sentence}"


def main() -> int:
    found = [
        problem
        for name in tracked()
        if name.suffix in MEASURED
        for problem in problems(name, (ROOT / name).read_text(encoding="utf-8"))
    ]
    print("\n".join(found) or "every file, function and parameter list is within its limit")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
