"""LiteRT files without TensorFlow: what they say of themselves, what the workers say of broken ones, names of variants."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.workshop import Died, Workshop
from taxiway.edge.explain import explained
from taxiway.edge.metadata import described, with_description
from taxiway.edge.variants import VARIANTS, kinds_of
from taxiway.errors import DataLoss, InvalidArgument, TaxiwayError, Unavailable

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
    assert {one.instead for one in VARIANTS.values()} <= {*VARIANTS, ""}
    for names, said in (
        (["int3"], "no variant 'int3'"),
        (["int8", "int8"], "int8 is asked for twice"),
        ([], "No variant"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            kinds_of(names)


def test_an_array_may_have_any_name(tmp_path: Path) -> None:
    import numpy as np

    save(tmp_path / "a.npz", {"file": np.ones(1), "allow_pickle": np.zeros(2)})
    assert {name: one.tolist() for name, one in load(tmp_path / "a.npz").items()} == {
        "file": [1],
        "allow_pickle": [0, 0],
    }
