"""Wrong calls of ``train``, ``tune`` and ``publish``: one sentence, a hint, and nothing left behind. No TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.cli.main import main


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "a", "--params", "."], 1, "error: There is no file .."),
        (["train", "a", "--params", "binary"], 2, "error: binary is no text."),
        (["train", "a", "--param", "rate"], 2, "error: 'rate' is not NAME=VALUE."),
        (["train", "--resume", "r", "--epochs", "9"], 2, "error: --epochs cannot be given with --resume"),
        (["train", "a:b", "--resume", "r"], 2, "error: JOB cannot be given with --resume"),
        (["train", "--resume", "r", "--max-restarts", "0", "--json"], 1, "error: r is no run"),
        (["tune", "--resume", "s", "--trials", "9"], 2, "error: --trials cannot be given with --resume"),
        (["tune", "a", "--space", "space", "--parallel", "0"], 2, "error: parallel is 0; it must be from 1 to 256."),
        (["tune", "--resume", "s", "--parallel", "2"], 1, "error: s is no study"),
        (["publish", "s3://bucket/models/digits/x", "digits"], 2, "error: s3://bucket/models/digits/x is no version."),
    ],
)
def test_wrong_calls(
    arguments: list[str], code: int, said: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty_folder / "binary").write_bytes(b"\xff\xfe\x00")
    (empty_folder / "space").write_text(
        'goal = { metric = "loss", direction = "minimize" }\n[a]\ntype = "int"\nlow = 1\nhigh = 9\n'
    )
    assert main(arguments) == code
    shown = capsys.readouterr().err
    assert shown.startswith(said) and "\nhint: " in shown
    assert {path.name for path in empty_folder.iterdir()} == {"binary", "space"}


def test_a_directory_that_cannot_be_made_is_a_sentence(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_folder / "file").touch()
    assert main(["train", "a", "--runs", "file"]) == 1
    assert main(["train", "a", "--run-dir", "file/run"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("error: file/") for line in errors)


def test_a_run_that_was_refused_before_it_began_is_not_listed(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "there_is_no_such_job"]) == 1
    assert capsys.readouterr().err.startswith("error: There is no module there_is_no_such_job in ")
    assert list((empty_folder / "runs").iterdir()) == []
    assert main(["train", "there_is_no_such_job", "--run-dir", "mine"]) == 1
    assert [path.name for path in (empty_folder / "mine").iterdir()] == ["job.json"]
