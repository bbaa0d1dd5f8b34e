"""A user writes batching = "auto": models whose rows are independent share runs, others never do, and both say why.

The real planes in this process, real SavedModels on TensorFlow, REST as clients speak it.
"""

from __future__ import annotations

import json
import shutil
import threading
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.wire import message
from taxiway.wire.records import write_records
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.timeout(300)
CALLERS = 8


def write_warm_up(version: Path, name: str, row: Any) -> None:
    """One request of one row, as a version brings it."""
    log = message("tensorflow.serving.PredictionLog")()
    tensor = log.predict_log.request.inputs[name]
    tensor.dtype = 1
    for extent in (1, *row.shape):
        tensor.tensor_shape.dim.add(size=extent)
    tensor.float_val.extend(map(float, row.ravel()))
    (version / "assets.extra").mkdir()
    write_records(version / "assets.extra" / "tf_serving_warmup_requests", [log.SerializeToString()])


def ask(url: str, name: str, row: Any) -> Any:
    body = json.dumps({"instances": [row.tolist()]}).encode()
    with urllib.request.urlopen(f"{url}/v1/models/{name}:predict", body, timeout=PATIENCE_SECONDS) as answer:
        return np.array(json.load(answer)["predictions"][0])


def found(handle: Any, name: str) -> Mapping[str, Any]:
    model = next(one for one in handle.status() if one["name"] == name)
    one: Mapping[str, Any] = model["versions"][0]["batching"]["signatures"]["serving_default"]
    return one


def test_rows_share_runs_where_they_are_independent_and_nowhere_else(real_models: Path, tmp_path: Path) -> None:
    pytest.importorskip("taxiway._server", reason="the data plane is not built: make setup")
    import taxiway

    for name in ("digits", "normed", "half_plus_two"):
        shutil.copytree(real_models / name / "1", tmp_path / name / "1")
    digits = np.load(real_models / "digits.npz")
    write_warm_up(tmp_path / "digits" / "1", "image", digits["image"][0])
    write_warm_up(tmp_path / "normed" / "1", "x", np.array([1.0, 0.25]))
    with taxiway.serve(tmp_path, engine="tensorflow", batching="auto") as handle:
        handle.wait_ready(120)
        assert found(handle, "digits")["largest_difference"] <= found(handle, "digits")["allowed_difference"]
        assert (found(handle, "normed")["rows"], found(handle, "normed")["why"]) == (
            0, "a row among 2 is answered otherwise"
        )  # fmt: skip
        assert found(handle, "half_plus_two")["why"] == "there is no warm-up request of it to take rows from"

        together = threading.Barrier(CALLERS)

        def call(at: int) -> None:
            try:
                turns(at)
            except BaseException:
                together.abort()  # the others need not wait for this one
                raise

        def turns(at: int) -> None:
            for turn in range(5):
                together.wait(PATIENCE_SECONDS)
                row = (at + turn) % len(digits["image"])
                answer = ask(handle.url, "digits", digits["image"][row])
                np.testing.assert_allclose(answer, digits["probabilities"][row], atol=1e-5)
                # A row alone has no mean but itself: what is left is the row.
                np.testing.assert_allclose(ask(handle.url, "normed", np.array([at, 2.0])), [at, 2.0], atol=1e-5)

        with ThreadPoolExecutor(CALLERS) as pool:
            calls = [pool.submit(call, at) for at in range(CALLERS)]
        errors = [error for one in calls if (error := one.exception()) is not None]
        # Of those that failed, the one that the others failed for.
        assert not errors, next((one for one in errors if not isinstance(one, threading.BrokenBarrierError)), errors)
        with urllib.request.urlopen(f"{handle.url}/metrics", timeout=PATIENCE_SECONDS) as page:
            text = page.read().decode()
    batches = [line for line in text.splitlines() if line.startswith("taxiway_batches_total{")]
    assert not any('"normed"' in line and not line.endswith(" 0") for line in batches)
