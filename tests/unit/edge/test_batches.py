"""Files with several signatures: for fixed numbers of rows, and of several of a model's; each is held to the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import taxiway
from taxiway.artifacts.rows import Rows
from taxiway.artifacts.source import Source
from taxiway.artifacts.workshop import Workshop
from taxiway.cli import main as cli
from taxiway.contract import parse_contract
from taxiway.edge import Interpreter, build, described, load
from taxiway.edge.api import build_of
from taxiway.edge.variants import kinds_of
from taxiway.errors import InvalidArgument, NotFound, TaxiwayError

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")

pytestmark = [
    pytest.mark.tensorflow, pytest.mark.litert, pytest.mark.timeout(300), pytest.mark.usefixtures("open_workshop")
]  # fmt: skip

GENERATOR = np.random.default_rng(5)
ROWS = GENERATOR.random((317, 120)).astype(np.float32)  # not whole batches of 4
STEPS = GENERATOR.random((300, 5, 4)).astype(np.float32)
KEYS = ["serving_default", "serving_default_1", "serving_default_4"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``serving_default`` with scores, ``features`` of another input without, ``one`` for a row, ``tail_4`` of its own."""
    module = tf.Module()
    module.kernel = tf.Variable(GENERATOR.normal(size=(120, 400)).astype(np.float32))
    module.head = tf.Variable(GENERATOR.normal(size=(400, 4)).astype(np.float32))

    def scores(x: Any) -> Any:
        return {"scores": tf.nn.softmax(tf.matmul(tf.nn.relu(tf.matmul(x, module.kernel)), module.head))}

    def features(z: Any) -> Any:
        return {"features": tf.matmul(z, module.kernel) / 100}

    def spec(name: str, rows: int | None) -> list[Any]:
        return [tf.TensorSpec([rows, 120], tf.float32, name)]

    path = tmp_path_factory.mktemp("batches") / "m"
    signatures = {
        "serving_default": tf.function(scores, input_signature=spec("x", None)),
        "features": tf.function(features, input_signature=spec("z", None)),
        "one": tf.function(scores, input_signature=spec("x", 1)),
        "features_2": tf.function(features, input_signature=spec("z", 3)),
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
    np.savez(path.parent / "rows.npz", x=ROWS, labels=np.argmax(signatures["serving_default"](ROWS)["scores"], 1))
    return path


@pytest.fixture(scope="module")
def built(model: Path, workshop: Workshop) -> Path:
    """Four variants for any number of rows, 1 and 4; and what the command said."""
    import contextlib
    import io

    out, said = model.parent / "edge", io.StringIO()
    argv = ["edge", "build", str(model), "--data", str(model.parent / "rows.npz"), "--batches", "4,1"]
    argv += ["--variants", "float32,int8,int8-io,int4", "--contract", "agreement>=0.6"]
    with contextlib.redirect_stdout(said):
        assert cli.main([*argv, "--out", str(out)]) == 0
    (model.parent / "said").write_text(said.getvalue())
    return out


def test_a_file_has_a_signature_for_each_batch_and_the_weights_once(model: Path, built: Path) -> None:
    files = {path.stem: path for path in built.glob("*.tflite")}
    assert sorted(files) == ["float32", "int4", "int8", "int8-io"]
    weights = 4 * (120 * 400 + 400 * 4)
    for name, path in files.items():
        shapes = {key: one.inputs["x"].shape for key, one in load(path).signatures.items()}
        assert shapes == dict(zip(KEYS, [(None, 120), (1, 120), (4, 120)], strict=True)), name
        assert path.stat().st_size < weights * (1.1 if name == "float32" else 0.5), name
        told = described(path.read_bytes())["signatures"]
        assert told["serving_default_4"] == {"of": "serving_default", "batch": 4}
        assert told["serving_default"]["batch"] is None


def test_every_signature_is_reported_with_its_rows(model: Path, built: Path) -> None:
    report = json.loads((built / "report.json").read_bytes())
    for one in report["variants"]:
        assert list(one["notes"]["signatures"]) == KEYS
        assert {part["of"] for part in one["notes"]["signatures"].values()} == {"serving_default"}
        assert all(part["agreement"] > 0.6 and part["latency_us"] > 0 for part in one["notes"]["signatures"].values())
        assert one["reason"].endswith("by each of 3 signatures at least") and one["agreement"]["rows"] == 317
    told = (model.parent / "said").read_text()
    line = next(one for one in told.splitlines() if "serving_default_4" in one and one.startswith("int8"))
    assert line.split()[:3] == ["int8", "serving_default_4", "4"]
    assert "| int8 | serving_default_4 | 4 |" in (built / "report.md").read_text()


def test_rows_go_to_the_smallest_signature_that_holds_them(
    model: Path, built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, int]] = []
    once = Interpreter._once

    def noted(self: Interpreter, name: str, given: Any) -> Any:
        asked.append((name, len(given["x"])))
        return once(self, name, given)

    monkeypatch.setattr(Interpreter, "_once", noted)
    original = tf.saved_model.load(str(model)).signatures["serving_default"]
    file = load(built / "float32.tflite")
    for rows, used in ((1, [1]), (3, [4]), (4, [4]), (5, [4, 1]), (10, [4, 4, 4])):
        asked.clear()
        answer = file.run(ROWS[:rows])["scores"]
        assert asked == [(f"serving_default_{one}", one) for one in used]
        np.testing.assert_allclose(answer, original(x=tf.constant(ROWS[:rows]))["scores"], atol=1e-5)
    with pytest.raises(InvalidArgument, match="takes 4 rows at a time, and there are 3"):
        file.run(ROWS[:3], "serving_default_4")
    assert cli.main(["edge", "run", str(built / "int8.tflite"), "--input", f"x={ROWS[:2].tolist()}", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["outputs"]["scores"]) == 2 and asked[-1] == ("serving_default_4", 4)


def test_several_signatures_are_compared_each_with_its_own(model: Path, tmp_path: Path) -> None:
    data = {"x": ROWS, "z": ROWS, "labels": np.load(model.parent / "rows.npz")["labels"]}
    names = ["serving_default", "features"]
    made = build(
        model, data=data, variants=["float32"], signature=names, batches=[4], contract="agreement>=0.98,accuracy>=0.9",
        out=tmp_path / "edge",
    )  # fmt: skip
    (one,) = made.report.kept
    told = one.notes["signatures"]
    assert [(key, part["of"], part["batch"]) for key, part in told.items()] == [
        ("serving_default", "serving_default", None), ("serving_default_4", "serving_default", 4),
        ("features", "features", None), ("features_4", "features", 4),
    ]  # fmt: skip
    assert told["features"]["agreement"] is None and told["serving_default"]["agreement"] == 1.0
    file = load(tmp_path / "edge" / "float32.tflite")
    assert file.run(ROWS[:7], "features")["features"].shape == (7, 400)


class Spoilt(Workshop):
    """A workshop whose runtime answers one signature wrongly."""

    def __init__(self, real: Workshop, signature: str) -> None:
        self._real, self._signature, self.folder = real, signature, real.folder

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        told = self._real.ask(job, **arguments)
        if job == "run" and arguments["signature"] == self._signature:
            with np.load(arguments["out"]) as kept:
                turned = {name: kept[name][:, ::-1] for name in kept.files}
            np.savez(arguments["out"], **turned)
        return told


@pytest.mark.parametrize("spoilt", ["serving_default_4", "features"])
def test_one_signature_that_answers_otherwise_refuses_the_file(model: Path, workshop: Workshop, spoilt: str) -> None:
    source = Source(model, "m", None, None, str(model), model.parent / "none")
    rows = {
        name: Rows({key: ROWS}, None, "rows in memory") for name, key in (("serving_default", "x"), ("features", "z"))
    }
    found = build_of(
        Spoilt(workshop, spoilt), source, kinds_of(["float32"]), rows, parse_contract("agreement>=0.9"),
        {"batches": [4]},
    )  # fmt: skip
    (one,) = found.report.variants
    assert not one.kept and one.reason.startswith(f"{spoilt}: ") and "is asked for" in one.reason
    assert found.place == "" and not source.beside.exists()


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """``m.keras`` and ``theirs``, a SavedModel of it with a free batch; and what it answers to the steps."""
    tmp_path = tmp_path_factory.mktemp("looped")
    keras.utils.set_random_seed(1)
    steps = keras.Input((5, 4), name="steps")
    loop = keras.Model(steps, keras.layers.Dense(3, "softmax", name="scores")(keras.layers.LSTM(40)(steps)))
    loop.save(tmp_path / "m.keras")
    archive = keras.export.ExportArchive()
    archive.track(loop)
    spec = tf.TensorSpec([None, 5, 4], tf.float32, "steps")
    archive.add_endpoint("serving_default", lambda steps: {"scores": loop(steps, training=False)}, [spec])
    archive.write_out(str(tmp_path / "theirs"), verbose=False)
    return tmp_path, loop.predict(STEPS, verbose=0)


def test_loops_over_time_are_had_for_fixed_numbers_of_rows(looped: tuple[Path, Any], tmp_path: Path) -> None:
    folder, answers = looped
    for source, smallest in (("m.keras", 1), ("theirs", 2)):
        out = tmp_path / source
        made = build(folder / source, data={"steps": STEPS}, variants=["float32"], batches=[2, 8], out=out)
        told = made.report.kept[0].notes["signatures"]
        assert [part["batch"] for part in told.values()] == [smallest, 2, 8]
        # Three copies of the weights would be more than 90 kB.
        assert (made.report.kept[0].size_bytes or 0) < 60_000
        answer = load(out / "float32.tflite").run(STEPS[:11])["scores"]
        np.testing.assert_allclose(answer, answers[:11], atol=1e-5)
    served = taxiway_of({"m": tmp_path / "theirs" / "float32.tflite"}, tmp_path)
    with served as server:
        server.wait_ready(60)
        for rows in (1, 2, 3, 8, 11):
            found = taxiway.Client(server.url).predict("m", STEPS[:rows])["scores"]
            np.testing.assert_allclose(found, answers[:rows], atol=1e-5)


def taxiway_of(files: dict[str, Path], folder: Path) -> Any:
    """A server of LiteRT files."""
    for name, file in files.items():
        (folder / "lite" / name).mkdir(parents=True)
        (folder / "lite" / name / "model.tflite").write_bytes(file.read_bytes())
        taxiway.publish(folder / "lite" / name, name, folder / "models")
    return taxiway.serve(folder / "models")


def test_what_cannot_be_had_is_told_before_anything_is_made(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*options: str, code: int = 2) -> str:
        argv = ["edge", "build", str(model), "--data", str(model.parent / "rows.npz"), "--out", str(tmp_path / "o")]
        assert cli.main([*argv, *options]) == code
        return capsys.readouterr().err

    assert "'x' is no number of rows" in told("--batches", "1,x")
    assert "0 is no number of rows" in told("--batches", "0,4")
    assert "A batch of 4 is asked for twice" in told("--batches", "4,4")
    fixed = told("--batches", "4", "--signature", "one", code=1)
    assert "'one' takes 1 row at a time, and cannot be made to take 4" in fixed and "one for 4 called one_4" in fixed
    assert "has a signature 'features_2', which is not 'features' for 2" in told(
        "--batches", "2", "--signature", "features"
    )
    assert "The signature one is asked for twice" in told("--signature", "one,one")
    with pytest.raises(NotFound, match="has no signature 'none'"):
        build(model, data=ROWS, signature=["serving_default", "none"])
    with pytest.raises(InvalidArgument, match="The rows lack the input 'z'"):
        build(model, data={"x": ROWS}, signature=["serving_default", "features"])
    assert not (tmp_path / "o").exists()


def test_a_server_gives_rows_to_the_same_signatures(built: Path, tmp_path: Path) -> None:
    here, whole = load(built / "float32.tflite"), load(built / "int8-io.tflite")
    files = {"m": built / "float32.tflite", "whole": built / "int8-io.tflite"}
    with taxiway_of(files, tmp_path) as server:
        server.wait_ready(60)
        client = taxiway.Client(server.url)
        for rows in (1, 3, 4, 9):
            answer = client.predict("m", ROWS[:rows])["scores"]
            np.testing.assert_allclose(answer, here.run(ROWS[:rows])["scores"], atol=1e-6)
        # Whole numbers are served as they are in the file.
        given = whole._scales["serving_default"][0]["x"].whole(ROWS[:3])
        answer = client.predict("whole", given)["scores"]
        assert answer.dtype == np.int8 and np.array_equal(answer, whole.run(given, raw=True)["scores"])
        fours = client.predict("m", ROWS[:4], signature="serving_default_4")["scores"]
        np.testing.assert_allclose(fours, here.run(ROWS[:4])["scores"], atol=1e-6)
        with pytest.raises(TaxiwayError, match=r"does not fit the signature's \[4, 120\]"):
            client.predict("m", ROWS[:3], signature="serving_default_4")
