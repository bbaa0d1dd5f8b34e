"""``taxiway predict`` against a small server in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from taxiway.cli import main as cli
from taxiway.cli.rows import read_rows
from taxiway.errors import InvalidArgument, NotFound
from tests.unit.client.conftest import Model, http_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Served where the command looks."""
    serving = http_server(Model())
    monkeypatch.setenv("TAXIWAY_SERVER", next(serving))
    yield
    next(serving, None)


@pytest.mark.usefixtures("server")
def test_rows_come_back_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.json").write_text(
        '{"instances": [{"x": [1, 2], "said": "a"}, {"x": [3, 4], "said": {"b64": "/w=="}}]}'
    )
    assert cli.main(["predict", "m", "--input", str(tmp_path / "rows.json")]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["ROW", "count", "half", "said_bytes"]
    assert lines[1].split() == ["0", "0", "[0.5,", "1]", "a!"]
    assert captured.err == "m version 3, request new-1\n"


@pytest.mark.usefixtures("server")
def test_programs_get_every_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "rows.npy", np.arange(90).reshape(30, 3))
    arguments = ["predict", "m:3", "--input", str(tmp_path / "rows.npy"), "--signature", "double"]
    assert cli.main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 3
    assert document["outputs"]["y"] == (np.arange(90).reshape(30, 3) * 2).tolist()
    assert cli.main(arguments) == 0
    assert "and 10 more rows" in capsys.readouterr().out


@pytest.mark.usefixtures("server")
def test_a_routing_key_goes_with_the_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.json").write_text('{"x": [[1, 2]], "said": ["a"]}')
    arguments = ["predict", "m", "--input", str(tmp_path / "rows.json"), "--routing-key", "user-17"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().err == "m version 3, request new-1, arm arm-of-user-17\n"
    assert cli.main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arm"] == "arm-of-user-17"


@pytest.mark.usefixtures("server")
def test_what_goes_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.json").write_text("[[1, 2, 3]]")
    rows = ["--input", str(tmp_path / "rows.json")]
    for arguments, code, said in [
        (["other", *rows], 1, "Servable not found"),
        (["m:x", *rows], 2, "'x' is no version"),
        (["m", *rows], 2, "2 inputs"),
        (["m", "--input", str(tmp_path / "none.npy")], 1, "There is no file"),
    ]:
        assert cli.main(["predict", *arguments]) == code
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.json", "[[1, 2]]", [[1, 2]]),
        ("a.json", '{"inputs": {"x": [1]}}', {"x": [1]}),
        ("a.json", '{"instances": [1, 2]}', [1, 2]),
        ("a.json", '{"instances": [{"x": 1}, {"x": 2}]}', {"x": [1, 2]}),
        ("a.json", '{"x": [{"b64": "aGk="}]}', {"x": [b"hi"]}),
        ("a.csv", "1,2.5\n3,4\n", [[1, 2.5], [3, 4]]),
        ("a.csv", "age,name\n3,Ann\n4.5,Bob\n", {"age": [3, 4.5], "name": ["Ann", "Bob"]}),
    ],
)
def test_files_are_read_as_inputs(tmp_path: Path, name: str, text: str, rows: object) -> None:
    (tmp_path / name).write_text(text)
    assert read_rows(str(tmp_path / name)) == rows


def test_arrays_by_name_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones(2), y=np.zeros(1))
    assert sorted(read_rows(str(tmp_path / "a.npz"))) == ["x", "y"]
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]"))
    assert read_rows("-") == [1]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"instances": 3}', "no list of rows"),
        ("a.json", '{"instances": [{"x": 1}, {"y": 2}]}', "different names"),
        ("a.json", '[{"b64": "?"}]', "is not base64"),
        ("a.csv", "", "no rows"),
        ("a.csv", "1,2\n3\n", "1 cells in row 2"),
        ("a.npy", "no array", "no file of numpy arrays"),
        ("a.npz", "PK\x03\x04 and no more", "no file of numpy arrays"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgument, match=said):
        read_rows(str(tmp_path / name))
    with pytest.raises(NotFound):
        read_rows(str(tmp_path / "nothing"))
