"""The command line's frame: help, errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from taxiway.cli import main as cli
from taxiway.cli import output
from taxiway.errors import InvalidArgument, NotFound


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown and sentence in shown for name, (_, sentence) in cli.COMMANDS.items())


def test_help_is_light() -> None:
    code = "import sys; from taxiway.cli.main import main; main(['--help']); print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"rich", "numpy", "grpc", "starlette", "uvicorn", "tensorflow", "google.protobuf"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 2, "error: No such command 'nonsense'"),
        (["--nonsense"], 2, "error: No such option '--nonsense'"),
        ([], 2, "Usage: taxiway"),
    ],
)
def test_wrong_calls(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("no such model: m", hint="taxiway status"), 1),
        (InvalidArgument("bad", hint="taxiway status"), 2),
    ],
)
def test_errors_have_a_hint(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli.taxiway, "main", fail)
    assert cli.main([]) == code
    assert capsys.readouterr().err == f"error: {error}\nhint: taxiway status\n"


def test_a_table_takes_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["MODEL", "VERSION"], [["[red]m", 3], ["n", None]], right=["VERSION"])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "MODEL   VERSION",
        "[red]m        3",
        "n",
    ]


def test_json_prints_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_value({"a": [1]}, True, lambda value: pytest.fail("for people"))
    assert capsys.readouterr().out == '{\n  "a": [\n    1\n  ]\n}\n'


def test_json_has_null_for_what_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_value({"loss": [float("nan"), 1.5], "best": float("inf")}, True, lambda value: None)
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {"loss": [None, 1.5], "best": None}
