"""``taxiway feedback`` against a small server in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxiway.cli import main as cli
from taxiway.cli.feedback_rows import read_feedback
from taxiway.client import Feedback
from taxiway.errors import InvalidArgument, NotFound, TaxiwayError
from tests.unit.client.conftest import Model, grpc_server, http_server

LABELS = """request_id,label,note
id-1,7,fine
gone,7,too late

id-2,,nothing said
id-3
id-no-class,cat,
"""


@pytest.fixture(params=[http_server, grpc_server])
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """Served where the command looks, over each protocol in turn."""
    model = Model()
    serving = request.param(model)
    monkeypatch.setenv("TAXIWAY_SERVER", next(serving))
    yield model
    next(serving, None)


def test_a_file_of_labels_is_counted_and_its_odd_rows_are_named(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text(LABELS)
    arguments = ["feedback", "m", "--input", str(tmp_path / "labels.csv"), "--at-once", "1"]
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    numbers = {" ".join(line.split()[:-1]): int(line.split()[-1]) for line in captured.out.splitlines()[1:]}
    assert numbers == {
        "joined with their answers": 1,
        "said before": 0,
        "of answers not remembered": 1,
        "do not fit their answers": 1,
        "malformed": 2,
    }
    assert captured.err.splitlines() == [
        "line 5: Feedback says exactly one of label, value and correct.",
        "line 6: 1 cells, and 3 in the header",
        "line 7: The answer's first output is no class",
    ]
    assert model.said == {"id-1": {"label": ["7"]}}
    assert cli.main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["joined"], document["repeated"], document["unknown"], document["malformed"]) == (0, 1, 1, 2)
    assert document["problems"][0]["where"] == "line 5"


@pytest.mark.usefixtures("model")
def test_when_no_row_finds_its_answer_it_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"request_id": "gone", "correct": true}\n'))
    assert cli.main(["feedback", "m", "--input", "-"]) == 1
    assert "no row found its answer\nhint: No answer with the id gone is remembered" in capsys.readouterr().err


def test_a_server_that_turns_us_away_is_one_error(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.faults += [TaxiwayError("broken")]
    (tmp_path / "labels.json").write_text('[{"request_id": "id-1", "value": 1}]')
    assert cli.main(["feedback", "m", "--input", str(tmp_path / "labels.json")]) == 1
    assert "error: broken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", "request_id,value\na,1.5\nb,x\n", [Feedback("a", value=1.5, where="line 2")]),
        ("a.csv", "correct,request_id,label\nNo,a,\n,b,cat", [
            Feedback("a", correct=False, where="line 2"), Feedback("b", "cat", where="line 3"),
        ]),
        ("a.jsonl", '{"request_id": "a", "label": [1, "b"]}\n\nnone\n', [Feedback("a", [1, "b"], where="line 1")]),
        ("a.json", '[{"request_id": "a", "correct": true}, 7, {"request_id": 1, "value": 2}]', [
            Feedback("a", correct=True, where="row 1"),
        ]),
        ("told", '{"request_id": "a", "value": true}\n{"request_id": "a", "value": 1}', [
            Feedback("a", value=1.0, where="line 2"),
        ]),
        ("told", '[{"request_id": "a", "label": 1.5}, {"request_id": "a", "label": 0}]', [
            Feedback("a", 0, where="row 2"),
        ]),
        ("told", "request_id,label\na,0", [Feedback("a", "0", where="line 2")]),
    ],
)  # fmt: skip
def test_formats_are_read(tmp_path: Path, name: str, text: str, rows: list[Feedback]) -> None:
    (tmp_path / name).write_text(text)
    assert list(read_feedback(str(tmp_path / name), lambda *_: None)) == rows


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "id,label\n", "no header with request_id"),
        ("a.csv", "request_id,note\n", "no header"),
        ("a.csv", "", "no header"),
        ("a.json", "{}", "no list of objects"),
        ("a.json", "[", "not JSON"),
        ("a.csv", b"request_id,label\n\xff", "cannot be read"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidArgument, match=said):
        list(read_feedback(str(tmp_path / name), lambda *_: None))
    with pytest.raises(NotFound, match="There is no file"):
        list(read_feedback(str(tmp_path / "none.csv"), lambda *_: None))
