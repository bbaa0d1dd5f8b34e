"""The codecs take as many instructions as they are held to. No time is asserted: callgrind's count has no neighbours."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from bench import instructions

HELD = instructions.load()
# Building the program links the server once more.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def program() -> Path:
    if platform.machine() != "x86_64":
        pytest.skip("the instructions that are held are x86-64's")
    if shutil.which("valgrind") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("valgrind is not installed: apt-get install valgrind")
    return instructions.build()


@pytest.mark.parametrize("name", HELD.instructions)
def test_an_operation_takes_the_instructions_that_it_is_held_to(name: str, program: Path) -> None:
    problem = instructions.problem(name, instructions.count(program, name), HELD.instructions[name])
    used = instructions.rustc()
    other = "" if used == HELD.rustc else f" The numbers are of rustc {HELD.rustc}, this is {used}."
    assert problem is None, f"{problem}{other}"
