"""LiteRT files without TensorFlow: what they say of themselves, what the workers say of broken ones, names of variants."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.workshop import Died, Workshop
from taxiway.edge.classes import checked_classes, top_classes
from taxiway.edge.explain import explained
from taxiway.edge.metadata import described, with_description
from taxiway.edge.variants import DEFAULT_VARIANTS, VARIANTS, kinds_of
from taxiway.edge.whole_numbers import scales_of
from taxiway.errors import DataLoss, InvalidArgument, NotFound, TaxiwayError, Unavailable

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")

pytestmark = pytest.mark.litert


def empty_file() -> bytes:
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    builder = flatbuffers.Builder(64)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_file_says_what_it_is_made_of() -> None:
    assert described(empty_file()) == {}
    once = with_description(empty_file(), {"model": "digits", "version": 3, "shown": "µ"})
    assert described(once) == {"model": "digits", "version": 3, "shown": "µ"}
    assert described(with_description(once, {"model": "letters"})) == {"model": "letters"}


def test_a_file_that_is_cut_or_none_is_told() -> None:
    whole = with_description(empty_file(), {"model": "digits"})
    for broken in (b"", b"no model at all", whole[:40]):
        with pytest.raises(DataLoss, match="LiteRT file"):
            described(broken)


def test_a_worker_that_dies_is_told_and_the_next_job_has_another(tmp_path: Path) -> None:
    save(tmp_path / "rows", {})
    asked = {"signature": "x", "rows": str(tmp_path / "rows.npz"), "out": str(tmp_path / "out.npz")}
    (tmp_path / "m.tflite").write_bytes(b"no model at all")
    with Workshop() as workshop:
        with pytest.raises(DataLoss, match=r"m\.tflite is no LiteRT file, or not a whole one"):
            workshop.ask("run", file=str(tmp_path / "m.tflite"), **asked)
        os.kill(workshop._workers["litert"]._process.pid, signal.SIGKILL)
        with pytest.raises(Died, match=r"^the runtime crashed \(SIGKILL\)$"):
            workshop.ask("run", file=str(tmp_path / "m.tflite"), **asked)
        with pytest.raises(TaxiwayError, match="FileNotFoundError") as caught:
            workshop.ask("run", file=str(tmp_path / "none.tflite"), **asked)
        assert caught.value.kind == "UNKNOWN"
        os.kill(workshop._workers["litert"]._process.pid, signal.SIGSTOP)
        workshop._seconds = 0.01
        with pytest.raises(Unavailable, match=r"^the runtime took longer than 0\.01 s$"):
            workshop.ask("run", file=str(tmp_path / "m.tflite"), **asked)
    assert not workshop.folder.exists()


def test_what_a_converter_says_becomes_a_sentence() -> None:
    ops = "x: 'tf.StringLower' op is neither a custom op nor a flex op\ny: 'tf.Svd' op is neither a custom op nor a flex op"
    assert explained(ops, VARIANTS["int8"]) == (
        "LiteRT has no operation for StringLower, Svd: export a signature without and name it with --signature"
    )
    many = "\n".join(f"'tf.Op{one}' op is neither a custom op nor a flex op" for one in range(9))
    assert "Op5 and 3 more:" in explained(many, VARIANTS["int8"])
    assert explained("\nRuntimeError: no\nmore", VARIANTS["int8"]) == "no; take dynamic instead"
    assert explained("x" * 500, VARIANTS["float32"]) == "x" * 200 + "…"
    assert explained("", VARIANTS["float32"]) == "no reason was given"


def test_variants_are_named() -> None:
    assert [one.name for one in kinds_of(["int4", "float32"])] == ["int4", "float32"]
    assert list(DEFAULT_VARIANTS) == [one for one in VARIANTS if one != "int8-io"]
    assert {one.instead for one in VARIANTS.values()} <= {*VARIANTS, ""}
    for names, said in (
        (["int3"], "no variant 'int3'"),
        (["int8", "int8"], "int8 is asked for twice"),
        ([], "No variant"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            kinds_of(names)


def test_whole_numbers_stand_for_others_by_scale_and_zero_point() -> None:
    import numpy as np

    details = {
        "x": {"dtype": np.int8, "quantization": (0.5, -3)},
        "ids": {"dtype": np.int32, "quantization": (0.0, 0)},
        "f": {"dtype": np.float32, "quantization": (0.5, 0)},
    }
    scales = scales_of(details)
    assert list(scales) == ["x"]
    whole = scales["x"].whole(np.array([0.0, 0.24, 0.26, -1.0, 1e9, -np.inf, np.nan]))
    assert whole.dtype == np.int8 and whole.tolist() == [-3, -3, -2, -5, 127, -128, -3]
    assert scales["x"].numbers(whole[:4]).tolist() == [0.0, 0.0, 0.5, -1.0]
    assert scales["x"].whole(np.array([7], np.int8)).tolist() == [7]
    assert scales["x"].numbers(np.array([-128, 127], np.int8)).tolist() == [-62.5, 65.0]


def test_classes_are_named_in_a_list_a_text_or_a_file(tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "names").write_text("zero\n one, the first \n\ntwo\n", encoding="utf-8")
    assert checked_classes(tmp_path / "names") == ["zero", "one, the first", "two"]
    assert checked_classes("zero, one") == checked_classes(["zero", "one"]) == ["zero", "one"]
    assert checked_classes(None) == []
    # As ImageNet's own list does with the bird and the machine.
    assert checked_classes("crane,ruffed grouse,crane") == ["crane", "ruffed grouse", "crane"]
    (tmp_path / "picture").write_bytes(b"\xff\xfe\x00")
    wrong: list[tuple[Any, type[TaxiwayError], str]] = [
        ("a,,b", InvalidArgument, "needs a name"),
        ([], InvalidArgument, "needs a name"),
        ("none.txt", NotFound, "There is no file none.txt"),
        (tmp_path / "picture", DataLoss, "is no file of names"),
    ]
    for given, kind, said in wrong:
        with pytest.raises(kind, match=said):
            checked_classes(given)
    answers = {"scores": np.array([[0.1, 0.9], [0.8, 0.2]]), "yes": np.array([[0.2], [0.7]]), "other": np.zeros((2, 3))}
    names = {"scores": ["no", "yes"], "yes": ["no", "yes"], "other": ["no", "yes"], "gone": ["no", "yes"]}
    assert top_classes(answers, names) == {"scores": ["yes", "no"], "yes": ["no", "yes"]}
    assert top_classes(answers, {"yes": ["no", "yes"]}, {"yes": 0.0}) == {"yes": ["yes", "yes"]}


def test_an_array_may_have_any_name(tmp_path: Path) -> None:
    import numpy as np

    save(tmp_path / "a.npz", {"file": np.ones(1), "allow_pickle": np.zeros(2)})
    assert {name: one.tolist() for name, one in load(tmp_path / "a.npz").items()} == {
        "file": [1],
        "allow_pickle": [0, 0],
    }
