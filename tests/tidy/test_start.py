"""A command starts fast because of what it does not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from taxiway.cli.main import COMMANDS

HEAVY = ("tensorflow", "keras", "sklearn", "scipy", "jax", "torch", "ai_edge_litert", "optuna", "matplotlib")


def imported(code: str) -> set[str]:
    """The top-level packages a fresh interpreter has imported after ``code``."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    lines = (line for line in run.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_importing_the_package_imports_no_other() -> None:
    assert imported("import taxiway") & {*HEAVY, "numpy", "grpc", "google", "click", "rich", "starlette"} == set()


def test_the_list_of_commands_imports_no_numbers() -> None:
    code = "from taxiway.cli.main import main; import sys; sys.exit(main(['--help']))"
    assert imported(code) & {*HEAVY, "numpy", "grpc", "google", "starlette"} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_needs_tensorflow_to_tell_what_it_does(command: str) -> None:
    code = f"from taxiway.cli.main import main; import sys; sys.exit(main(['{command}', '--help']))"
    assert imported(code) & set(HEAVY) == set()


def test_serving_needs_no_tensorflow_in_python() -> None:
    assert imported("import taxiway.serve.api, taxiway.serve.server, taxiway.client") & set(HEAVY) == set()


def test_a_plan_is_read_and_a_decision_made_without_numbers() -> None:
    code = "import taxiway.rollout.read, taxiway.rollout.states, taxiway.rollout.decide"
    assert imported(code) & {*HEAVY, "numpy"} == set()
