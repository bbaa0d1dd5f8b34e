"""Models that loop over time: one row at a time, also of a SavedModel that others made, or without a loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.keras_file import export_file
from taxiway.cli import main as cli
from taxiway.edge import build, load
from taxiway.edge.loops import has_loops, with_batch
from taxiway.errors import FailedPrecondition

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")

pytestmark = [
    pytest.mark.tensorflow, pytest.mark.litert, pytest.mark.timeout(300), pytest.mark.usefixtures("open_workshop")
]  # fmt: skip

STEPS = np.random.default_rng(2).random((300, 5, 4)).astype(np.float32)


def nested(steps: int | None = 5) -> Any:
    """Every kind of recurrent layer, some inside of others, behind a mask."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inner_steps = keras.Input((steps, 4))
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True))
    inner = keras.Model(inner_steps, both(inner_steps))
    outer_steps = keras.Input((steps, 4), name="steps")
    features = layers.LSTM(6, return_sequences=True)(layers.Masking()(inner(outer_steps)))
    features = layers.RNN(layers.SimpleRNNCell(5), go_backwards=True)(features)
    return keras.Model(outer_steps, layers.Dense(3, "softmax", name="scores")(features))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``m.keras``, and ``theirs``, a SavedModel of the same with a free batch, as others write it."""
    folder = tmp_path_factory.mktemp("loops")
    model = nested()
    model.save(folder / "m.keras")
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec([None, 5, 4], tf.float32, "steps")
    archive.add_endpoint("serving_default", lambda steps: {"scores": model(steps, training=False)}, [spec])
    archive.write_out(str(folder / "theirs"), verbose=False)
    return folder


def operations(file: Path) -> set[str]:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    return {one["op_name"] for one in interpreter.Interpreter(str(file))._get_ops_details()}


def test_a_loop_of_somebody_elses_saved_model_is_given_one_row_at_a_time(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "rows.npz", steps=STEPS)
    argv = ["edge", "build", str(models / "theirs"), "--data", str(tmp_path / "rows.npz")]
    assert cli.main([*argv, "--variants", "float32,dynamic", "--out", str(tmp_path / "edge")]) == 0
    told = capsys.readouterr().out
    assert "float32 written: 300 of 300 rows agree" in told and "; it takes 1 row at a time" in told
    file = load(tmp_path / "edge" / "float32.tflite")
    assert file.signatures["serving_default"].inputs["steps"].shape == (1, 5, 4)
    assert "WHILE" in operations(tmp_path / "edge" / "float32.tflite")
    np.testing.assert_allclose(file.run(STEPS[:3])["scores"], nested().predict(STEPS[:3], verbose=0), atol=1e-5)


def test_a_keras_file_that_loops_gets_one_row_at_a_time_and_unrolled_any_number(models: Path, tmp_path: Path) -> None:
    looped = build(models / "m.keras", data={"steps": STEPS}, variants=["float32"])
    assert looped.place == str(models / "m-artifacts" / "edge") and looped.report.kept[0].notes["batch"] == 1
    unrolled = build(models / "m.keras", data={"steps": STEPS}, variants=["float32"], unroll=True, out=tmp_path / "u")
    assert unrolled.report.kept and "batch" not in unrolled.report.kept[0].notes
    assert "WHILE" not in operations(tmp_path / "u" / "float32.tflite")
    file = load(tmp_path / "u" / "float32.tflite")
    assert file.signatures["serving_default"].inputs["steps"].shape == (None, 5, 4)
    np.testing.assert_allclose(file.run(STEPS[:7])["scores"], nested().predict(STEPS[:7], verbose=0), atol=1e-5)


def test_what_cannot_be_unrolled_says_why(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nested(steps=None).save(tmp_path / "free.keras")
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "dense.keras")
    with pytest.raises(FailedPrecondition, match=r"the number of steps is free \(steps \[\?, \?, 4\]\)") as caught:
        export_file(str(tmp_path / "free.keras"), str(tmp_path / "out"), unroll=True)
    assert "Input" in str(caught.value.hint)
    with pytest.raises(FailedPrecondition, match="no recurrent layer to unroll"):
        export_file(str(tmp_path / "dense.keras"), str(tmp_path / "out"), unroll=True)
    assert cli.main(["edge", "build", str(models / "theirs"), "--unroll"]) == 1
    assert "hint: Give the .keras or .h5 file" in capsys.readouterr().err
    with pytest.raises(TypeError, match="unexpected keyword argument 'unrol'"):
        build(models / "m.keras", unrol=True)  # type: ignore[call-arg]


def test_keras_2_files_are_unrolled_too(tmp_path: Path) -> None:
    old = pytest.importorskip("tf_keras")
    old.utils.set_random_seed(1)
    layers = [old.layers.LSTM(4), old.layers.Dense(3, "softmax", name="scores")]
    model = old.Sequential([old.Input((5, 4), name="steps"), *layers])
    model.save(tmp_path / "old.keras")
    export_file(str(tmp_path / "old.keras"), str(tmp_path / "old"), unroll=True)
    assert not has_loops(str(tmp_path / "old"))
    function = tf.saved_model.load(str(tmp_path / "old")).signatures["serving_default"]
    answered = function(steps=tf.constant(STEPS[:3]))["scores"]
    np.testing.assert_allclose(answered, model.predict(STEPS[:3], verbose=0), atol=1e-6)


def test_a_signature_without_loops_is_left_as_it_is(models: Path, tmp_path: Path) -> None:
    assert has_loops(str(models / "theirs"))
    module = tf.Module()
    module.double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])
    tf.saved_model.save(module, str(tmp_path / "flat"), signatures=module.double)
    assert not has_loops(str(tmp_path / "flat"))
    assert not with_batch(str(tmp_path / "flat"), "serving_default", 1, str(tmp_path / "one"))
    assert not (tmp_path / "one").exists()
    assert with_batch(str(models / "theirs"), "serving_default", 3, str(tmp_path / "three"))
    function = tf.saved_model.load(str(tmp_path / "three")).signatures["serving_default"]
    assert function.structured_outputs["scores"].shape == (3, 3)
    np.testing.assert_allclose(
        function(steps=tf.constant(STEPS[:3]))["scores"], nested().predict(STEPS[:3], verbose=0), atol=1e-6
    )
