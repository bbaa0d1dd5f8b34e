"""The rows that artefacts are compared on: where they may be from, and what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.rows import Rows, rows_of
from taxiway.errors import DataLoss, InvalidArgument, NotFound
from taxiway.wire import messages
from taxiway.wire.records import WARM_UP_FILE, write_records
from taxiway.wire.signatures import Signature, TensorSpec
from taxiway.wire.tensors import tensor_of

X = np.arange(12, dtype=np.float32).reshape(6, 2)
SIGNATURE = Signature({"x": TensorSpec(1, (None, 2))}, {"y": TensorSpec(1, (None, 3))})


def read(data: Any, labels: Any = None, signature: Signature = SIGNATURE, model: Path = Path("nowhere")) -> Rows:
    return rows_of(data, labels, ("serving_default", signature), model)


def record(path: Path, *batches: Any, signature: str = "") -> Path:
    def log(batch: Any) -> bytes:
        one = messages.PredictionLog()
        one.predict_log.request.model_spec.signature_name = signature
        one.predict_log.request.inputs["x"].CopyFrom(tensor_of(batch))
        return one.SerializeToString()

    path.parent.mkdir(parents=True, exist_ok=True)
    write_records(path, map(log, batches))
    return path


def test_a_file_of_arrays_may_hold_the_labels_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=X.astype(np.float64), labels=[0, 1, 2, 0, 1, 2], digit=[5] * 6)
    np.savez(tmp_path / "plain.npz", x=X)
    np.save(tmp_path / "x.npy", X)
    both = np.load(tmp_path / "rows.npz")
    with pytest.raises(InvalidArgument, match="'digit' is no input"):
        read(tmp_path / "rows.npz")
    np.savez(tmp_path / "rows.npz", x=both["x"], labels=both["labels"])
    found = read(tmp_path / "rows.npz")
    assert found.count == 6 and found.inputs["x"].dtype == np.float32
    assert found.labels is not None and found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.said == str(tmp_path / "rows.npz")
    for plain in (read(tmp_path / "plain.npz"), read(str(tmp_path / "x.npy")), read({"x": X}), read(X)):
        assert plain.labels is None and np.array_equal(plain.inputs["x"], X)
    for named in (read(X, np.arange(6)), read({"x": X, "digit": np.arange(6)}, "digit")):
        assert named.labels is not None and named.labels.tolist() == list(range(6))


def test_an_input_may_be_called_labels() -> None:
    signature = Signature({"labels": TensorSpec(1, (None, 2))}, {})
    assert read({"labels": X}, signature=signature).labels is None


def test_recorded_requests_are_rows_and_so_are_warm_up_requests(tmp_path: Path) -> None:
    record(tmp_path / "log" / "1.tfrecord", X[:1], X[1:4])
    record(tmp_path / "log" / "2.tfrecord", X[4:], signature="serving_default")
    record(tmp_path / "log" / "3.tfrecord", X, signature="other")
    found = read(tmp_path / "log")
    assert (found.inputs["x"] == X).all() and found.said == f"requests recorded in {tmp_path / 'log'}"
    record(tmp_path / "m" / WARM_UP_FILE, X[:2], X)
    warm = read(None, model=tmp_path / "m")
    assert warm.count == 8 and warm.said == "the version's warm-up requests"


def test_rows_of_a_fixed_batch_are_whole_batches() -> None:
    four = Signature({"x": TensorSpec(1, (4, 2))}, {})
    found = read({"x": X, "labels": np.arange(6)}, signature=four)
    assert found.count == 4 and found.labels is not None and len(found.labels) == 4
    with pytest.raises(InvalidArgument, match="takes 4 rows at a time, and there are 3"):
        read(X[:3], signature=four)


@pytest.mark.parametrize(
    ("data", "labels", "said"),
    [
        ({"x": X[:, :1]}, None, r"shape \[6, 1\], and the signature takes \[\?, 2\]"),
        ({}, None, "lack the input 'x'"),
        ({"x": X[:0]}, None, "have 0 rows"),
        ({"x": X}, "digit", "There are no labels 'digit' in rows in memory"),
        (X, "digit", "holds one array, and so no labels"),
        (X, np.arange(5), "5 labels and 6 rows"),
        ({"x": X.astype(str)}, None, "the model takes float32"),
    ],
)
def test_rows_that_do_not_fit_are_refused(data: Any, labels: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        read(data, labels)


def test_files_that_are_not_there_or_broken_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No rows are given") as caught:
        read(None, model=tmp_path)
    assert "--data" in str(caught.value.hint)
    for name in ("rows.npz", "rows.npy", "log"):
        with pytest.raises(NotFound, match="There is no file"):
            read(tmp_path / name)
    np.savez(tmp_path / "whole.npz", x=X)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:100])
    with pytest.raises(DataLoss, match="no file of numpy arrays, or not a whole one"):
        read(tmp_path / "cut.npz")
    (tmp_path / "cut.tfrecord").write_bytes(b"no record")
    with pytest.raises(NotFound, match=r"no predict request for 'serving_default' .*cut\.tfrecord"):
        read(tmp_path / "cut.tfrecord")
