"""From a version in a store, or a Keras file, to files beside it: what is written, listed, replaced and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.keras_file import export_file
from taxiway.artifacts.tokeniser import Tokeniser
from taxiway.cli import main as cli
from taxiway.contract import parse_report
from taxiway.edge import build, described, load
from taxiway.errors import InvalidArgument
from taxiway.export import export
from taxiway.publish import publish
from taxiway.stores import read_manifest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")

pytestmark = [
    pytest.mark.tensorflow, pytest.mark.litert, pytest.mark.timeout(300), pytest.mark.usefixtures("open_workshop")
]  # fmt: skip

ROWS = np.random.default_rng(1).random((320, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of a model in a store, and rows with labels beside the store."""
    folder = tmp_path_factory.mktemp("edge")
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(4, "softmax")]
    model = keras.Sequential([keras.Input((8,), name="x"), *layers])
    model.layers[-1].kernel.assign(3 * model.layers[-1].kernel)  # few rows are near a border between classes
    publish(model, "m", folder / "models", warm_up=ROWS[:20])
    np.savez(folder / "rows.npz", x=ROWS, labels=model.predict(ROWS, verbose=0).argmax(axis=1))
    return folder / "models" / "m" / "1"


def command(version: Path, *options: str) -> int:
    argv = ["edge", "build", "m:1", "--store", str(version.parents[1]), "--data", str(version.parents[2] / "rows.npz")]
    return cli.main([*argv, *options])


def stored(version: Path) -> dict[str, Path]:
    return {name: version / one.stored for name, one in read_manifest(version).artifacts.items()}


def test_a_version_gets_artefacts_with_contracts_and_a_refused_one_leaves(
    version: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        command(version, "--variants", "float32,int8", "--contract", "agreement>=0.97", "--recommend", "bytes<=1M") == 0
    )
    told = capsys.readouterr().out
    assert "m version 1: 320 rows" in told and "held to agreement>=0.97@0.95" in told
    assert "float32 written: 320 of 320 rows agree, which shows 99.06 % at 95 % confidence" in told
    assert "For bytes<=1,000,000: take " in told and Path(told.rstrip().rpartition("\nin ")[2], "int8.tflite").is_file()

    files = stored(version)
    assert sorted(files) == [f"artifacts/edge/{name}" for name in (
        "float32.tflite", "int8.tflite", "report.json", "report.md", "report.svg"
    )]  # fmt: skip
    report = parse_report(json.loads(files["artifacts/edge/report.json"].read_bytes()), "report.json")
    assert report.version == 1 and report.made_with["tensorflow"] == tf.__version__
    inside = described(files["artifacts/edge/float32.tflite"].read_bytes())
    assert (inside["model"], inside["version"], inside["variant"]) == ("m", 1, "float32")
    assert inside["contract"] == "agreement>=0.97@0.95,difference<=0" and inside["accuracy"] == 1.0
    assert cli.main(["inspect", str(files["artifacts/edge/float32.tflite"])]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "made of m version 1, as float32" in told and "held to agreement>=0.97@0.95,difference<=0: 320 of 320" in told
    )
    contract = read_manifest(version).artifacts["artifacts/edge/int8.tflite"].contract
    assert contract["kept"] is True and contract["agreement"]["rows"] == 320
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(str(files["artifacts/edge/float32.tflite"])).get_signature_runner(
        "serving_default"
    )
    assert runner(x=ROWS[:3])["probabilities"].shape == (3, 4)

    # The same again, with a contract that only the float32 file can hold: the int8 file of before goes.
    assert (
        command(version, "--variants", "float32,int8", "--contract", "agreement>=0.97,difference<=1e-6", "--json") == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert [one["kept"] for one in document["variants"]] == [True, False]
    assert document["variants"][1]["reason"].startswith("the largest difference is 0.0")
    assert "artifacts/edge/int8.tflite" not in stored(version)


def test_when_nothing_holds_nothing_is_written_and_what_was_there_stays(
    version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "edge"
    assert command(version, "--variants", "float16", "--out", str(out)) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    impossible = ("--contract", "agreement>=0.99,accuracy>=0.9,difference<=1e-7")
    assert command(version, "--variants", "float16", "--out", str(out), *impossible) == 1
    told = capsys.readouterr().out
    assert "nothing was written: no variant holds to the contract" in told
    assert "float16 of an earlier build stays: 320 of 320 rows agree, which shows 99.06 % at 95 % confidence" in told
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.json").write_text('{"kind": "edge", "about": "my thesis"}')
    assert command(version, "--variants", "float16", "--out", str(tmp_path / "mine")) == 2
    assert "holds no edge artefacts" in capsys.readouterr().err and any((tmp_path / "mine").iterdir())


def test_a_version_of_which_nothing_holds_says_what_stays_in_its_manifest(
    version: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(version, "--variants", "float16", "--contract", "agreement>=0.97") == 0
    before, contract = stored(version), read_manifest(version).artifacts["artifacts/edge/float16.tflite"].contract
    capsys.readouterr()
    strict = ("--contract", "agreement>=0.97,difference<=1e-7")
    assert command(version, "--variants", "float16", "--json", *strict) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["place"] is None and document["stays"] == {"float16": contract["reason"]}
    assert stored(version) == before and all(path.is_file() for path in before.values())


def test_boards_get_whole_numbers_and_names_of_classes(
    version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, names = tmp_path / "edge", ["north", "east", "south", "west"]
    options = ("--variants", "int8-io", "--contract", "agreement>=0.95", "--batches", "4", "--classes")
    assert command(version, *options, "north,east", "--out", str(out)) == 2
    assert "2 classes are named, and 'probabilities' has scores of 4" in capsys.readouterr().err
    assert command(version, *options, ",".join(names), "--out", str(out)) == 0
    file = load(out / "int8-io.tflite")
    whole = {
        one.dtype_name for key in file.signatures.values() for one in (*key.inputs.values(), *key.outputs.values())
    }
    assert whole == {"int8"} and len(file.signatures) == 2
    with np.load(version.parents[2] / "rows.npz") as rows:
        labels = rows["labels"]
    answer = file.run(ROWS)["probabilities"]
    assert answer.dtype == np.float32 and np.abs(answer.sum(1) - 1).max() < 0.1
    assert (answer.argmax(1) == labels).mean() > 0.95
    kept = json.loads((out / "report.json").read_bytes())["variants"][0]
    assert kept["agreement"]["accuracy"] == (answer.argmax(1) == labels).mean()
    # As it is in the file: what a board sees.
    scale = file._scales["serving_default"][0]["x"]
    raw = file.run(scale.whole(ROWS), raw=True)["probabilities"]
    assert raw.dtype == np.int8 and np.array_equal(raw.argmax(1), answer.argmax(1))
    with pytest.raises(InvalidArgument, match="'x' is float32, and the model takes int8"):
        file.run(ROWS, raw=True)

    assert file.classes == {"probabilities": names}
    run = ["edge", "run", str(out / "int8-io.tflite")]
    capsys.readouterr()
    assert cli.main([*run, "--input", f"x={ROWS[:3].tolist()}"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split()[:4] == ["ROW", "class", "by", "probabilities"]
    assert [line.split()[1] for line in told[1:4]] == [names[one] for one in answer[:3].argmax(1)]
    assert cli.main([*run, "--input", f"x={ROWS[:3].tolist()}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["classes"]["probabilities"]
    assert found == [names[one] for one in answer[:3].argmax(1)]
    assert cli.main(["inspect", str(out / "int8-io.tflite")]) == 0
    assert "north, east, south, west" in capsys.readouterr().out


def test_a_logit_of_two_classes_is_cut_at_0_and_the_file_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Logit(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function(input_signature=[tf.TensorSpec([None, 8], tf.float32, "x")])  # type: ignore[untyped-decorator]
        def serve(self, x: Any) -> Any:
            return {"y": tf.reduce_sum(x, 1, keepdims=True) - 4.0}

    model = Logit()
    export(model, tmp_path / "m", signatures={"serving_default": model.serve})
    labels = (ROWS.sum(1) > 4).astype(int)
    built = build(
        tmp_path / "m", variants=["float32"], data={"x": ROWS}, labels=labels, scores="y", classes="no,yes",
        contract="agreement>=0.9", out=tmp_path / "out",
    )  # fmt: skip
    agreement = built.report.variants[0].agreement
    assert agreement is not None and agreement.accuracy == agreement.reference_accuracy == 1.0
    file = tmp_path / "out" / "float32.tflite"
    assert load(file).borders == {"y": 0.0}
    rows = np.full((2, 8), 0.5) + np.array([[0.02], [-0.02]])  # 0.16 and -0.16
    assert cli.main(["edge", "run", str(file), "--input", f"x={rows.tolist()}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"]["y"] == ["yes", "no"]


def test_warm_up_requests_are_too_few_for_the_default_contract(version: Path) -> None:
    with pytest.raises(InvalidArgument, match="28 rows, even if all agree, show 89.85 % .* needs 299 rows"):
        build(version)
    built = build(version, variants=["dynamic"], contract="agreement>=0.85", out=version.parents[2] / "few")
    assert built.report.data == "the version's warm-up requests" and [one.name for one in built.report.kept] == [
        "dynamic"
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["none"], "There is no version of none"),
        (["no/directory"], "There is no directory no/directory"),
        (["."], "holds no saved_model.pb"),
        (["none.keras"], "There is no file none.keras"),
        (["none", "--contract", "agreement"], "'agreement' is no term of a contract"),
        (["none", "--variants", ","], "No variant is asked for"),
        (["none", "--recommend", "small"], "'small' is no limit"),
        (["none", "--unroll"], "none is no Keras file, and only that knows its recurrent layers"),
    ],
)
def test_wrong_calls_are_told(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["edge", "build", *argv]) != 0
    assert said in capsys.readouterr().err


def test_texts_are_refused_with_the_signature_that_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from taxiway.export import export

    def length(text: Any) -> Any:
        return {"length": tf.strings.length(text)}

    def double(ids: Any) -> Any:
        return {"double": 2 * ids}

    texts, ids = [tf.TensorSpec([None], tf.string, "text")], [tf.TensorSpec([None], tf.int64, "ids")]
    export(tf.Module(), tmp_path / "m", signatures={"serving_default": (length, texts), "ids": (double, ids)})
    assert cli.main(["edge", "build", str(tmp_path / "m")]) == 1
    told = capsys.readouterr().err
    assert "Input 'text' of 'serving_default' is text, and LiteRT has no operations on texts. The" in told
    assert "tokeniser cannot be split off: the texts do not become rows of whole numbers" in " ".join(told.split())
    assert "hint: --signature ids" in told


def test_the_tokeniser_of_a_keras_file_is_split_off_and_written_down(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    text = keras.Input((), name="text", dtype="string")
    vectors = layers.TextVectorization(output_sequence_length=6)
    vectors.adapt(["late again", "on time", "time and time again", "çà va"])
    features = layers.Flatten()(layers.Embedding(vectors.vocabulary_size(), 4)(vectors(text)))
    model = keras.Model(text, layers.Dense(3, "softmax", name="mood")(features))
    model.save(tmp_path / "m.keras")
    texts = [
        f"{a} {b}, {c}!" for a in ("Late", "on", "it's") for b in ("TIME", "çà", "and") for c in ("again", "x")
    ] * 20
    built = build(tmp_path / "m.keras", data={"text": np.array(texts)}, variants=["float32"])
    assert built.report.kept and built.report.rows == 360
    written = Tokeniser(**json.loads((tmp_path / "m-artifacts" / "edge" / "tokeniser.json").read_bytes()))
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(str(tmp_path / "m-artifacts" / "edge" / "float32.tflite")).get_signature_runner()
    answered = runner(ids=written.ids(texts[:5]))["mood"]
    np.testing.assert_allclose(answered, model(tf.constant(texts[:5])), atol=1e-5)


def test_sequential_keras_files_are_exported_like_others(tmp_path: Path) -> None:
    layers = keras.layers
    vectors = layers.TextVectorization(output_sequence_length=4)
    vectors.adapt(["late again", "on time"])
    words = layers.Embedding(vectors.vocabulary_size(), 4)
    kinds: dict[str, tuple[list[Any], list[Any]]] = {
        "dense": ([keras.Input((8,), name="x")], [None, 8]),
        "loops": ([keras.Input((5, 4), name="x"), layers.GRU(4)], [1, 5, 4]),
        "texts": ([keras.Input((), name="x", dtype="string"), vectors, words, layers.Flatten()], [None, 4]),
    }
    for name, (first, shape) in kinds.items():
        model = keras.Sequential([*first, layers.Dense(3, "softmax", name="mood")])
        model.save(tmp_path / f"{name}.keras")
        split = export_file(str(tmp_path / f"{name}.keras"), str(tmp_path / name))["tokeniser"]
        function = tf.saved_model.load(str(tmp_path / name)).signatures["serving_default"]
        ((_, spec),) = function.structured_input_signature[1].items()
        assert spec.shape.as_list() == shape
        texts = ["On TIME, late!"]
        given = tf.constant(texts if split else np.ones([1, *shape[1:]], np.float32))
        ids = tf.constant(Tokeniser(**split).ids(texts)) if split else given
        np.testing.assert_allclose(function(ids)["mood"], model(given), atol=1e-6)
