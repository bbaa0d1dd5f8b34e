"""constraints.txt: every third-party package for every extra, its version, and the sha256 of its files.

    python tools/pins.py            resolve anew and write it (installs the resolver, uv, into build/pins)
    python tools/pins.py --check    without network: is every pin hashed, and every requirement of pyproject.toml met?

The file names no registry. It is installed with ``pip install --no-deps --require-hashes -r constraints.txt``, so pip
refuses a file whose digest is not in it and a package that is not in it. It holds for CPython 3.10 and newer on every
platform; markers choose.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "constraints.txt"
HEADER = """\
# Every third-party package of every extra, for CPython 3.10 and newer. Written by `python tools/pins.py`; do not edit.
# Install:  pip install --no-deps --require-hashes -r constraints.txt
"""
RESOLVE = "--all-extras --universal --python-version 3.10 --generate-hashes --no-header --no-annotate --upgrade --quiet"
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^ ;]+)( ; [^\\]+?)?( --hash=sha256:[0-9a-f]{64})+")


def resolve() -> str:
    """The text of the file, from the newest versions that fit together."""
    home = ROOT / "build" / "pins"
    if not (home / "bin" / "uv").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "uv"], check=True)
    command = [str(home / "bin" / "uv"), "pip", "compile", "pyproject.toml", *RESOLVE.split()]
    return HEADER + subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def logical_lines(text: str) -> list[str]:
    """The file's entries, continuation lines joined, comments dropped."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def problems(text: str, project: dict[str, Any]) -> list[str]:
    """What is wrong with the pins ``text`` for the ``project`` table of pyproject.toml; a sentence each."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: list[str] = []
    pins: dict[str, list[str]] = {}
    for line in logical_lines(text):
        match = PIN.fullmatch(line)
        if match is None:
            found.append(f"not `name==version ; marker --hash=sha256:…`: {line[:80]}")
        else:
            pins.setdefault(match["name"], []).append(match["version"])
    extras = project["optional-dependencies"].values()
    wanted = [Requirement(text) for group in (project["dependencies"], *extras) for text in group]
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        if name == project["name"]:
            continue
        if name not in pins:
            found.append(f"{name} is required by pyproject.toml and not pinned")
        found += [
            f"{name}=={version} does not meet {requirement}"
            for version in pins.get(name, [])
            if version not in requirement.specifier
        ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Write, or check, constraints.txt.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is wrong")
    if not parser.parse_args().check:
        PINS.write_text(resolve())
        print(f"wrote {PINS.name}")
        return 0
    found = problems(PINS.read_text(), tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
    for problem in found:
        print(f"constraints.txt: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
