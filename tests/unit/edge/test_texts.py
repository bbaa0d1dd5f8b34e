"""Texts at the door of a SavedModel: the tokeniser is found in the graph, written down and split off, or that is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.text_border import split_texts
from taxiway.artifacts.tokeniser import Tokeniser
from taxiway.edge import build, load
from taxiway.errors import FailedPrecondition
from taxiway.export import export
from taxiway.publish import publish
from taxiway.stores import read_manifest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")

pytestmark = [
    pytest.mark.tensorflow, pytest.mark.litert, pytest.mark.timeout(300), pytest.mark.usefixtures("open_workshop")
]  # fmt: skip

PUNCTUATION = r"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']"""
WORDS = ["late again", "on time", "time and time again", "çà va"]
TEXTS = [f"{a} {b}, {c}!" for a in ("Late", "on", "it's") for b in ("TIME", "çà", "and") for c in ("again", "x")] * 20


def text_model(package: Any = keras, shape: tuple[int, ...] = (), loops: bool = False, **options: Any) -> Any:
    package.utils.set_random_seed(1)
    layers = package.layers
    text = package.Input(shape, name="text", dtype="string")
    vectors = layers.TextVectorization(**{"output_sequence_length": 6, **options})
    vectors.adapt(WORDS)
    features = vectors(text)
    if options.get("output_mode") != "multi_hot":
        features = layers.Embedding(vectors.vocabulary_size(), 4)(features)
        features = (layers.GRU(5) if loops else layers.Flatten())(features)
    return package.Model(text, layers.Dense(3, "softmax", name="mood")(features))


def test_a_published_version_that_takes_texts_gets_files_for_numbers_and_its_tokeniser(tmp_path: Path) -> None:
    model = text_model(loops=True)
    publish(model, "m", tmp_path / "models", warm_up=tf.constant(TEXTS[:20]))
    built = build("m:1", store=tmp_path / "models", variants=["float32"], contract="agreement>=0.8")
    assert built.report.kept and built.report.data == "the version's warm-up requests" and built.report.version == 1
    version = tmp_path / "models" / "m" / "1"
    listed = read_manifest(version).artifacts
    assert {"artifacts/edge/float32.tflite", "artifacts/edge/tokeniser.json"} <= set(listed)
    document = json.loads((version / listed["artifacts/edge/tokeniser.json"].stored).read_bytes())
    tokeniser = Tokeniser(**document)
    assert (tokeniser.input, tokeniser.length, tokeniser.vocabulary[0]) == ("text", 6, "time")
    file = load(version / listed["artifacts/edge/float32.tflite"].stored)
    answered = file.run({"ids": tokeniser.ids(TEXTS[:5])})["mood"]
    np.testing.assert_allclose(answered, model(tf.constant(TEXTS[:5])), atol=1e-5)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_the_tokeniser_is_found_in_graphs_of_others(package: str, tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"split": "character", "standardize": "lower"}
    if package == "keras":
        model = text_model(**wanted)
        model.export(tmp_path / "m", verbose=False)
    else:
        model = text_model(pytest.importorskip("tf_keras"), (1,))
        wanted = {"split": "whitespace", "standardize": "lower_and_strip_punctuation"}
        tf.saved_model.save(
            model, str(tmp_path / "m"),
            signatures=tf.function(
                lambda text: {"mood": model(text)}, input_signature=[tf.TensorSpec([None, 1], tf.string, "text")]
            ),
        )  # fmt: skip
    told = Tokeniser(**split_texts(str(tmp_path / "m"), "serving_default", str(tmp_path / "core"))["tokeniser"])
    assert (told.split, told.lower) == (wanted["split"], True)
    assert told.strip_punctuation == ("strip" in wanted["standardize"])
    core = tf.saved_model.load(str(tmp_path / "core")).signatures["serving_default"]
    (answered,) = core(ids=tf.constant(told.ids(TEXTS[:5]))).values()
    texts = tf.reshape(tf.constant(TEXTS[:5]), [5] if package == "keras" else [5, 1])
    np.testing.assert_allclose(answered, model(texts), atol=1e-6)


def test_what_cannot_be_split_off_says_why(tmp_path: Path) -> None:
    texts = tf.TensorSpec([None], tf.string, "text")

    def refused(name: str, source: Any, **signature: Any) -> FailedPrecondition:
        export(source, tmp_path / name, **signature)
        with pytest.raises(FailedPrecondition, match="^The tokeniser cannot be split off: ") as told:
            split_texts(str(tmp_path / name), "serving_default", str(tmp_path / "core"))
        assert "--signature" in str(told.value.hint) and not (tmp_path / "core").exists()
        return told.value

    hot = text_model(output_mode="multi_hot", output_sequence_length=None)
    assert "do not become rows of whole numbers" in refused("hot", hot).message

    def own(text: Any) -> Any:
        return tf.strings.regex_replace(tf.strings.lower(text), "x", "time")

    def without_tags(text: Any) -> Any:  # which no probe shows
        text = tf.strings.regex_replace(tf.strings.lower(text), "<br />", " ")
        return tf.strings.regex_replace(text, PUNCTUATION, "")

    def joined(text: Any) -> Any:
        return tf.strings.join([tf.strings.lower(text), tf.where(tf.strings.length(text) > 999, " on", "")])

    def asking(model: Any) -> Any:
        return lambda text: {"mood": model(text, training=False)}

    for name, standardize, said in (
        ("own", own, "StaticRegexReplace of 'x' by 'time' stands before"),
        ("tags", without_tags, "StaticRegexReplace of '<br />' by ' ' stands before"),
        ("joined", joined, "(SelectV2|StringJoin|StringLength) stands before"),
    ):
        model = text_model(standardize=standardize)
        assert re.search(said, refused(name, model, signatures={"serving_default": (asking(model), [texts])}).message)

    def two(text: Any, x: Any) -> Any:
        return {"y": tf.cast(tf.strings.length(text), tf.float32) + x}

    both = [texts, tf.TensorSpec([None], tf.float32, "x")]
    assert "inputs beside the text" in refused("two", (two, both)).message
    hashed = (
        lambda text: {"y": 2 * tf.strings.to_hash_bucket_fast(tf.strings.split(text).to_tensor(shape=[None, 4]), 9)},
        [texts],
    )
    assert "looked up in 0 tables" in refused("hashed", hashed).message
