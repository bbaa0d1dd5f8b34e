"""A LiteRT file asked by names: here, by the command, and by a server's engine, with the same answers."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import taxiway
from taxiway.artifacts.workshop import Workshop
from taxiway.cli.main import main
from taxiway.edge import Interpreter, load
from taxiway.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from taxiway.stores import Made, Shelf, add_artifacts, open_store

pytestmark = [pytest.mark.tensorflow, pytest.mark.litert]

GENERATOR = np.random.default_rng(3)
ROWS = {
    "image": GENERATOR.random((70, 3, 2)).astype(np.float32),
    "weight": GENERATOR.random((70, 1)).astype(np.float32),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two inputs and two outputs: SavedModel, and in ``numpy.npz`` what NumPy makes of the rows."""
    tf = pytest.importorskip("tensorflow")
    kernel = GENERATOR.random((6, 4)).astype(np.float32)
    module = tf.Module()
    module.kernel = tf.Variable(kernel)
    specs = [tf.TensorSpec([None, 3, 2], tf.float32, "image"), tf.TensorSpec([None, 1], tf.float32, "weight")]

    def serve(image: Any, weight: Any) -> dict[str, Any]:
        scores = tf.matmul(tf.reshape(image, [-1, 6]), module.kernel) * weight
        return {"scores": scores, "top": tf.argmax(scores, 1, output_type=tf.int32)}

    folder = tmp_path_factory.mktemp("exported")
    tf.saved_model.save(
        module, str(folder / "model"), signatures={"serving_default": tf.function(serve, input_signature=specs)}
    )
    scores = ROWS["image"].reshape(70, 6) @ kernel * ROWS["weight"]
    np.savez(folder / "numpy.npz", scores=scores, top=scores.argmax(1))
    return folder


@pytest.fixture(scope="module")
def file(exported: Path, workshop: Workshop) -> Path:
    """Its LiteRT file."""
    path = exported / "float32.tflite"
    workshop.ask(
        "convert", saved_model=str(exported / "model"), signatures={"serving_default": ""}, variant="float32",
        out=str(path),
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def expected(exported: Path) -> dict[str, Any]:
    with np.load(exported / "numpy.npz") as kept:
        return dict(kept)


def without_signatures(file: Path) -> bytes:
    """As most files that others publish are: for one row, and without a list of signatures."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    model.signatureDefs = None
    for index in model.subgraphs[0].inputs:
        model.subgraphs[0].tensors[index].shapeSignature = None
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_rows_are_answered_by_name(file: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    interpreter = load(file)
    shapes = {name: one.shape for name, one in interpreter.signatures["serving_default"].inputs.items()}
    assert shapes == {"image": (None, 3, 2), "weight": (None, 1)}
    answer = interpreter.run(ROWS)
    assert np.abs(answer["scores"] - expected["scores"]).max() < 1e-5
    assert np.array_equal(answer["top"], expected["top"])
    # Answers are the caller's own: another run does not change them.
    kept = answer["scores"].copy()
    interpreter.run({"image": np.ones((1, 3, 2)), "weight": [[5.0]]})
    assert np.array_equal(answer["scores"], kept)

    (tmp_path / "plain.tflite").write_bytes(without_signatures(file))
    plain = Interpreter(tmp_path / "plain.tflite", threads=2)
    (signature,) = plain.signatures.values()
    names = {("image" if one.shape == (1, 3, 2) else "weight"): name for name, one in signature.inputs.items()}
    found = plain.run({names[name]: rows for name, rows in ROWS.items()})
    assert any(np.array_equal(one, expected["top"]) for one in found.values())


def test_the_servers_engine_answers_the_same_from_the_same_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "lite").mkdir()
    (tmp_path / "lite" / "model.tflite").write_bytes(file.read_bytes())
    taxiway.publish(tmp_path / "lite", "m", tmp_path / "models")
    with taxiway.serve(tmp_path / "models") as server:
        server.wait_ready(60)
        assert server.status()[0]["versions"][0]["engine"] == "litert"
        answer = taxiway.Client(server.url).predict("m", ROWS)
    here = load(file).run(ROWS)
    assert sorted(answer) == sorted(here)
    assert all(np.array_equal(answer[name], here[name]) for name in here)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")
def test_the_c_program_of_the_guide_answers_the_same_bit_for_bit(workshop: Workshop, tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.kernel = tf.Variable(GENERATOR.random((6, 4)).astype(np.float32))
    spec = tf.TensorSpec([None, 6], tf.float32, "image")
    serve = tf.function(lambda image: {"scores": tf.matmul(image, module.kernel)}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": serve})
    file = tmp_path / "model.tflite"
    workshop.ask(
        "convert", saved_model=str(tmp_path / "model"), signatures={"serving_default": ""}, variant="float32",
        out=str(file),
    )  # fmt: skip
    spec_of_package = find_spec("ai_edge_litert")
    assert spec_of_package is not None and spec_of_package.submodule_search_locations
    folder = spec_of_package.submodule_search_locations[0]
    program = tmp_path / "run"
    source = Path(__file__).parents[3] / "examples" / "edge" / "run.c"
    command = ["gcc", "-Wall", "-Werror", str(source), "-o", str(program), f"{folder}/libLiteRt.so"]
    subprocess.run([*command, f"-Wl,-rpath,{folder}"], check=True, timeout=60)
    row = GENERATOR.random((1, 6)).astype(np.float32)
    ran = subprocess.run([program, file, "6", "4"], input=row.tobytes(), capture_output=True, timeout=60, check=True)
    assert ran.stdout == load(file).run(row)["scores"].tobytes()
    short = subprocess.run([program, file, "6", "4"], input=b"", capture_output=True, timeout=60, check=False)
    assert short.returncode == 1 and b"standard input is too short" in short.stderr


def test_what_does_not_fit_is_said_in_a_sentence(file: Path) -> None:
    interpreter = load(file)
    image, weight = ROWS["image"], ROWS["weight"]
    cases: list[tuple[Any, type[Exception], str]] = [
        ({"image": image, "wait": weight}, InvalidArgument, "'wait' is no input of the signature"),
        ({"image": image}, InvalidArgument, "The input 'weight' is missing"),
        (image, InvalidArgument, "has 2 inputs, so each value needs its name"),
        ({"image": image[:, :, :1], "weight": weight}, InvalidArgument, r"shape \[70, 3, 1\], and the file takes"),
        ({"image": image[0], "weight": weight}, InvalidArgument, r"shape \[3, 2\]"),
        ({"image": image, "weight": weight[:3]}, InvalidArgument, "The inputs have 3, 70 rows"),
        ({"image": image[:0], "weight": weight[:0]}, InvalidArgument, "There are no rows to run"),
        ({"image": image.astype(str), "weight": weight}, InvalidArgument, "and the model takes float32"),
    ]
    for inputs, kind, text in cases:
        with pytest.raises(kind, match=text) as raised:
            interpreter.run(inputs)
        assert raised.value.hint  # type: ignore[attr-defined]
    with pytest.raises(NotFound, match="has no signature 'other'") as unknown:
        interpreter.run(ROWS, "other")
    assert unknown.value.hint == "It has serving_default."


def test_a_file_that_is_not_whole_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        load(tmp_path / "none.tflite")
    whole = file.read_bytes()
    cut = tmp_path / "cut.tflite"
    for length in (0, 7, 8, *(random.Random(seed).randrange(9, len(whole)) for seed in range(20))):
        cut.write_bytes(whole[:length])
        with pytest.raises((DataLoss, FailedPrecondition), match=r"cut\.tflite"):
            load(cut)


def test_the_command_runs_files_and_artefacts(
    file: Path, exported: Path, expected: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        assert main(["edge", "run", *arguments]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    np.savez(tmp_path / "rows.npz", **ROWS, labels=expected["top"])  # type: ignore[arg-type]
    shown = said(str(file), "--data", str(tmp_path / "rows.npz"), "--out", str(tmp_path / "out.npz"))
    assert shown.splitlines()[0].split() == ["ROW", "scores", "top"] and "… and 50 more rows" in shown
    with np.load(tmp_path / "out.npz") as answers:
        assert np.array_equal(answers["top"], expected["top"])
    one = ["--input", f"image={ROWS['image'][:1].tolist()}", "--input", f"weight={ROWS['weight'][:1].tolist()}"]
    document = json.loads(said(str(file), *one, "--json"))
    assert document["outputs"]["top"] == [expected["top"][0]]
    assert "[?, 3, 2]" in said(str(file))

    taxiway.publish(exported / "model", "m", tmp_path / "models")
    store = ["--store", str(tmp_path / "models")]
    assert "hint: taxiway edge build m:1" in said("m", *store, *one, code=1)
    (tmp_path / "built").mkdir()
    for name in ("float32", "int8"):
        (tmp_path / "built" / f"{name}.tflite").write_bytes(file.read_bytes())
    made = {name: Made([f"{name}.tflite"]) for name in ("float32", "int8")}
    add_artifacts(Shelf(open_store(tmp_path / "models"), "m"), 1, "edge", tmp_path / "built", made)
    assert json.loads(said("m:1", *store, "--variant", "int8", *one, "--json")) == document
    assert "hint: --variant float32, int8" in said("m", *store, *one, code=1)
    assert "no artefact int4 to run" in said("m", *store, "--variant", "int4", *one, code=1)
    assert "is a directory" in said(str(tmp_path), code=2)
    assert "is no input" in said(str(file), "--input", "image", code=2)
    assert "not both" in said(str(file), *one, "--data", "rows.npz", code=2)
