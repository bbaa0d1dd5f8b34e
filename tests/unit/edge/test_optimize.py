"""``publish --optimize``: LiteRT beside a SavedModel, for the signatures that it answers alike, and the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.cli import main as cli
from taxiway.edge.optimize import litert_of
from taxiway.errors import InvalidArgument, NotFound
from taxiway.export import export
from taxiway.publish import publish, verify

tf = pytest.importorskip("tensorflow")
pytest.importorskip("ai_edge_litert")

pytestmark = [
    pytest.mark.tensorflow, pytest.mark.litert, pytest.mark.timeout(300), pytest.mark.usefixtures("open_workshop")
]  # fmt: skip

ROWS = np.random.default_rng(1).random((40, 6)).astype(np.float32)
X = tf.TensorSpec([None, 6], tf.float32, "x")


class Several(tf.Module):  # type: ignore[misc, name-defined]
    """A signature that LiteRT answers alike, one that it answers with other numbers each time, one of texts."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.random.stateless_normal([6, 3], [1, 2]))

    @tf.function(input_signature=[X])  # type: ignore[untyped-decorator]
    def serve(self, x: Any) -> Any:
        return {"scores": tf.nn.softmax(x @ self.weights)}

    @tf.function(input_signature=[X])  # type: ignore[untyped-decorator]
    def noisy(self, x: Any) -> Any:
        return {"y": x @ self.weights + tf.random.normal([1, 3])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])  # type: ignore[untyped-decorator]
    def length(self, text: Any) -> Any:
        return {"length": tf.strings.length(text)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tf.random.set_seed(1)  # such an operation answers the same again in a process that begins anew
    path, model = tmp_path_factory.mktemp("optimize") / "saved", Several()
    signatures = {"serving_default": model.serve, "noisy": model.noisy, "length": model.length}
    export(model, path, signatures=signatures)
    return path


def test_signatures_that_agree_get_a_file_and_the_others_a_reason(saved: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=ROWS)
    to = ["--store", str(tmp_path / "models"), "--optimize", "--data", str(tmp_path / "rows.npz")]
    assert cli.main(["publish", str(saved), "m", *to]) == 0
    version = tmp_path / "models" / "m" / "1"
    manifest = verify(version)
    assert {"model.tflite", "saved_model.pb", "variables/variables.index"} <= set(manifest.files)
    found = manifest.litert["signatures"]
    kept = found["serving_default"]
    assert kept["kept"] and kept["rows"] == 40 and kept["agreement"]["largest_difference"] < 1e-5
    assert kept["reason"] == "40 of 40 rows agree, which shows 92.78 % at 95 % confidence"
    assert kept["tensorflow_us"] > 0 and kept["litert_us"] > 0
    assert "is text" in found["length"]["reason"] and not found["length"]["kept"]
    assert found["noisy"] == {"kept": False, "reason": "its answers to the same rows differ from call to call"}
    assert not (saved / "model.tflite").exists()
    # From store to store the evidence goes with the files; to optimise them again changes nothing.
    again = publish(version, "m", tmp_path / "other", optimize=True)
    assert again.manifest.litert == manifest.litert and again.manifest.files == manifest.files
    # Unless other rows are given to show it: those are compared, and looked for.
    with pytest.raises(NotFound, match="no file"):
        publish(version, "m", tmp_path / "other", optimize=True, data=tmp_path / "nothing.npz")
    shown = publish(version, "m", tmp_path / "other", optimize=True, data=ROWS[:30]).manifest
    assert shown.litert["signatures"]["serving_default"]["rows"] == 30 and set(shown.files) == set(manifest.files)


def test_a_model_that_cannot_be_converted_is_published_without_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @tf.function(input_signature=[X])  # type: ignore[untyped-decorator]
    def odd(x: Any) -> Any:
        return {"y": tf.linalg.det(tf.einsum("bi,bj->bij", x, x))}

    export(odd, tmp_path / "odd", warm_up=ROWS)
    assert cli.main(["publish", str(tmp_path / "odd"), "odd", "--store", str(tmp_path), "--optimize"]) == 0
    told = capsys.readouterr().out
    assert "LiteRT: no file: serving_default: LiteRT has no operation for MatrixDeterminant" in told
    manifest = verify(tmp_path / "odd" / "1")
    assert manifest.litert["file"] is None and "model.tflite" not in manifest.files


def test_a_file_that_makes_an_answer_of_a_nan_is_not_kept(tmp_path: Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1], tf.float32, "x")])  # type: ignore[untyped-decorator]
    def guarded(x: Any) -> Any:
        return {"y": tf.debugging.check_numerics(tf.reduce_sum(x, [1, 2, 3]), "sum")}

    export(guarded, tmp_path / "guarded")
    found = litert_of(tmp_path / "guarded", tmp_path, np.ones((8, 4, 4, 1), np.float32))
    assert found["file"] is None and not (tmp_path / "model.tflite").exists()
    assert "the SavedModel refuses rows with one NaN in each input" in found["reason"]


def test_without_rows_without_a_graph_and_with_a_file_of_its_own_there_is_none(saved: Path, tmp_path: Path) -> None:
    assert "no warm-up requests" in litert_of(saved, tmp_path)["reason"]
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "model.tflite").write_bytes(b"x")
    assert litert_of(tmp_path / "only", tmp_path)["reason"] == "there is no SavedModel to make it of"
    (tmp_path / "only" / "saved_model.pb").write_bytes(b"x")
    assert litert_of(tmp_path / "only", tmp_path)["reason"] == "it brings a model.tflite of its own"
    with pytest.raises(InvalidArgument, match="Rows are given .* it brings a model.tflite of its own"):
        litert_of(tmp_path / "only", tmp_path, tmp_path / "nothing.npz")


def test_rows_that_fit_nothing_end_it_before_anything_is_published(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="takes"):
        publish(saved, "m", tmp_path / "models", optimize=True, data=np.zeros((4, 5), np.float32))
    with pytest.raises(NotFound, match="no file"):
        publish(saved, "m", tmp_path / "models", optimize=True, data=tmp_path / "nothing.npz")
    with pytest.raises(InvalidArgument, match="LiteRT is not asked for"):
        publish(saved, "m", tmp_path / "models", data=ROWS)
    assert not (tmp_path / "models").exists()


def test_a_row_at_a_step_excuses_no_other_row(tmp_path: Path) -> None:
    class Buckets(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function(input_signature=[X])  # type: ignore[untyped-decorator]
        def serve(self, x: Any) -> Any:
            return {"price": tf.reduce_mean(x, 1) / 60.0 + 0.2 * tf.cast(x[:, 0] >= 30.0, tf.float32)}

    model = Buckets()
    export(model, tmp_path / "m", signatures={"serving_default": model.serve})
    rows = ROWS * 29
    rows[3, 0] = 30.0
    found = litert_of(tmp_path / "m", tmp_path, {"x": rows})["signatures"]["serving_default"]
    assert found["kept"] and found["left_out"] == 1 and found["noise_floor"] < 1e-5
