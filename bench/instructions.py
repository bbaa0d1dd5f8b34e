"""The codecs' instructions for one operation: ``python -m bench.instructions`` prints what callgrind counts."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import crates
from bench.participants import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HELD = Path(__file__).parent / "instructions.toml"
# A build counts the same within 0.1 %; processors differ in how libc copies.
MOST = 1.10
LEAST = 0.85
_REPETITIONS = 100
_COLLECTED = re.compile(r"Collected : (\d+)")


@dataclass(frozen=True)
class Held:
    """What the code is held to: instructions by operation, and the compiler that they were counted with."""

    rustc: str
    instructions: dict[str, int]


def load(path: Path = HELD) -> Held:
    """The numbers of a file."""
    document = tomllib.loads(path.read_text())
    return Held(document["rustc"], document["held"])


def problem(name: str, counted: int, held: int) -> str | None:
    """What is wrong with a count and what to do about it; ``None`` when it is near enough to what is held."""
    if LEAST * held <= counted <= MOST * held:
        return None
    found = f"{name}: {counted:,} instructions, {counted / held - 1:+.1%} against {held:,} in bench/instructions.toml."
    if counted < held:
        return f"{found} Lower the number in bench/instructions.toml, so that the gain is kept."
    return f"{found} Find what costs them; if it is worth that, raise the number and say why in the commit."


def rustc() -> str:
    """The version of the compiler that builds the crates."""
    return _run(["rustc", "--version"]).stdout.split()[1]


def build() -> Path:
    """The program that does the operations, built as the extension is.

    taxiway-python is named for its features: with the same ones, the crates that ``make setup`` built are used again.

    Raises:
        subprocess.CalledProcessError: it did not build.
    """
    packages = ["-p", "taxiway-count", "-p", "taxiway-python"]
    return crates.built([*packages, "--bin", "taxiway-count"], "taxiway-count")


def count(program: Path, name: str) -> int:
    """The instructions of one operation: those of twice as many less those of so many, without what a start costs.

    Raises:
        subprocess.CalledProcessError: there is no such operation, or it failed.
    """
    return (_collected(program, name, 2 * _REPETITIONS) - _collected(program, name, _REPETITIONS)) // _REPETITIONS


def _collected(program: Path, name: str, repetitions: int) -> int:
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    told = _run([*callgrind, str(program), name, str(repetitions)]).stderr
    found = _COLLECTED.search(told)
    if found is None:
        raise ValueError(f"callgrind does not say how many instructions it collected: {told}")
    return int(found[1])


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    if result.returncode != 0:
        print(result.stderr, file=sys.stderr)
    result.check_returncode()
    return result


def main() -> None:
    """Print each operation's count beside the one that is held."""
    held, program = load(), build()
    print(f"rustc {rustc()}, held with {held.rustc}")
    for name, most in held.instructions.items():
        counted = count(program, name)
        print(f"{name:24} {counted:9,}  held {most:9,}  {counted / most - 1:+.1%}")


if __name__ == "__main__":
    main()
