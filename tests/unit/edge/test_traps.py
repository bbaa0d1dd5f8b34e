"""Nine ways in which a conversion goes wrong without a word; each is refused here, and says why.

| trap | the wrong artefact | how it is refused |
|---|---|---|
| 1 | Keras' own export, BatchNorm in training mode | the signature changes variables |
| 2 | a tf.Module with a Keras model, and its function converted apart from its variables | its rows are NaN or others; it does not run |
| 3 | quantised recurrent layers | the converter crashed; the share of rows that agree |
| 4 | a file with Flex operations | the runtime does not load it |
| 5 | a file that answers another shape, which LiteRT's C API writes past a buffer | the shape |
| 6 | a file with an operation that its runtime has not, from a converter that was content | the runtime does not load it, and says which |
| 7 | a SavedModel with slots of an optimizer that nobody knows | it cannot be loaded, and says what to install |
| 8 | a file that resizes otherwise | the largest difference |
| 9 | numbers that a well-conditioned model must not have | the noise floor is this model's own |

Where a converter of ours does not fall into a trap, a file that did takes the place of its own: by the same converter with
other settings, or of another model that is wrong in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.rows import Rows
from taxiway.artifacts.source import Source
from taxiway.artifacts.workshop import Workshop
from taxiway.contract import Contract, Variant, parse_contract
from taxiway.edge.api import build_of
from taxiway.edge.variants import kinds_of
from taxiway.errors import FailedPrecondition, TaxiwayError
from taxiway.export import export

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")

pytestmark = [pytest.mark.tensorflow, pytest.mark.litert, pytest.mark.timeout(300)]

GENERATOR = np.random.default_rng(1)
IMAGES = GENERATOR.random((320, 6, 6, 1)).astype(np.float32)
STEPS = GENERATOR.random((320, 5, 4)).astype(np.float32)


class Swapped(Workshop):
    """A workshop whose converter is another one's: it writes the file that a function makes."""

    def __init__(self, real: Workshop, make: Callable[[], bytes]) -> None:
        self._real, self._make, self.folder = real, make, real.folder

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        if job != "convert":
            return self._real.ask(job, **arguments)
        Path(arguments["out"]).write_bytes(self._make())
        return {"converter": "another one"}


def built(
    workshop: Workshop, saved_model: Path, *variants: str, rows: Any = IMAGES, name: str = "image",
    signature: str = "serving_default", contract: Contract | None = None,
) -> dict[str, Variant]:  # fmt: skip
    source = Source(saved_model, "trap", None, None, str(saved_model), saved_model.parent / "artifacts")
    asked = {signature: Rows({name: rows}, None, "rows in memory")}
    found = build_of(workshop, source, kinds_of(variants or ("float32",)), asked, contract or Contract())
    written = {path.name for path in Path(found.place).glob("*.tflite")} if found.place else set()
    assert written == {one.file for one in found.report.kept}
    return {one.name: one for one in found.report.variants}


def images(*middle: Any, interpolation: str = "bilinear") -> Any:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    resizing = layers.Resizing(9, 9, interpolation=interpolation)
    last = [layers.Flatten(), layers.Dense(4, "softmax", name="probabilities")]
    return keras.Sequential([keras.Input((6, 6, 1), name="image"), resizing, layers.Conv2D(4, 3), *middle, *last])


def converted(path: Path, signature: str = "serving_default", **settings: Any) -> bytes:
    """A file by TensorFlow's converter with other settings than ours."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path), signature_keys=[signature])
    for name, value in settings.items():
        setattr(converter.target_spec if name == "supported_ops" else converter, name, value)
    return bytes(converter.convert())


def test_1_batch_normalisation_in_training_mode_is_refused_and_our_export_has_none(
    tmp_path: Path, workshop: Workshop
) -> None:
    model = images(keras.layers.BatchNormalization(name="norm"))
    model.get_layer("norm").moving_mean.assign([0.3, 0.1, -0.2, 0.4])
    model.export(tmp_path / "theirs", verbose=False)
    with pytest.raises(FailedPrecondition, match=r"changes variables, in .*norm.*: it was exported in training mode"):
        built(workshop, tmp_path / "theirs")
    export(model, tmp_path / "ours", warm_up=IMAGES[:8])
    answered = tf.saved_model.load(str(tmp_path / "ours")).signatures["serving_default"](image=IMAGES[:1])
    np.testing.assert_allclose(answered["probabilities"], model.predict(IMAGES[:1], verbose=0), atol=1e-6)
    assert built(workshop, tmp_path / "ours")["float32"].kept


def test_2_a_module_that_holds_a_keras_model_converts_to_nan_and_is_refused(tmp_path: Path, workshop: Workshop) -> None:
    module = tf.Module()
    module.model = images()

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 1], tf.float32, "image")])  # type: ignore[untyped-decorator]
    def serve(image: Any) -> Any:
        return {"probabilities": module.model(image, training=False)}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serving_default": serve})
    found = built(workshop, tmp_path / "m")["float32"]
    # The file has no weights and reads what is in memory: NaN most often, other numbers at times.
    assert not found.kept and re.search("rows are NaN or infinite|is allowed|is asked for", found.reason), found.reason
    assert found.size_bytes is not None and found.file == ""

    def apart() -> bytes:
        function = serve.get_concrete_function()
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], module.model).convert())

    export(images(), tmp_path / "ours")
    found = built(Swapped(workshop, apart), tmp_path / "ours")["float32"]
    assert not found.kept and found.size_bytes is not None and found.file == "", found


@pytest.fixture(scope="module")
def gru(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported with a free batch, and for one row."""
    path = tmp_path_factory.mktemp("gru") / "m"
    keras.utils.set_random_seed(1)
    layers = [keras.layers.GRU(8), keras.layers.Dense(4, "softmax")]
    model = keras.Sequential([keras.Input((5, 4), name="steps"), *layers])

    def serve(steps: Any) -> Any:
        return {"probabilities": model(steps, training=False)}

    free, one = (tf.TensorSpec([rows, 5, 4], tf.float32, "steps") for rows in (None, 1))
    export(model, path, signatures={"serving_default": (serve, [free]), "one": (serve, [one])})
    return path


def test_3_quantising_that_crashes_the_converter_or_spoils_the_answers_is_refused(
    gru: Path, workshop: Workshop
) -> None:
    asked: dict[str, Any] = {"rows": STEPS, "name": "steps", "signature": "one"}
    found = built(workshop, gru, "float32", "int8", "dynamic", **asked)
    assert found["float32"].kept and found["float32"].notes["batch"] == 1
    assert found["int8"].reason == "the converter crashed (SIGSEGV); take dynamic instead"
    assert found["dynamic"].agreement is not None, "what comes after the crash is made all the same"

    spoilt = built(Swapped(workshop, lambda: turned(converted(gru, "one"))), gru, "dynamic", **asked)["dynamic"]
    assert not spoilt.kept and spoilt.reason.endswith("99 % is asked for")


def turned(file: bytes) -> bytes:
    """The file with its largest weights turned round."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    largest = max((one for one in model.buffers if one.data is not None), key=lambda one: len(one.data))
    largest.data = (-np.asarray(largest.data, np.uint8).view(np.float32)).view(np.uint8)
    builder = flatbuffers.Builder(len(file))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_4_a_loop_gets_a_fixed_batch_and_a_file_with_tensorflows_own_operations_is_refused(
    gru: Path, workshop: Workshop
) -> None:
    asked: dict[str, Any] = {"rows": STEPS, "name": "steps"}
    assert built(workshop, gru, **asked)["float32"].notes["batch"] == 1
    both = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    flex = converted(gru, supported_ops=both, _experimental_lower_tensor_list_ops=False)
    found = built(Swapped(workshop, lambda: flex), gru, **asked)["float32"]
    assert not found.kept and "Flex" in found.reason, found.reason


def test_5_answers_of_another_shape_are_refused(tmp_path: Path, workshop: Workshop) -> None:
    layers = keras.layers
    wide = keras.Sequential(
        [keras.Input((6, 6, 1), name="image"), layers.Flatten(), layers.Dense(40, "softmax", name="probabilities")]
    )
    export(images(), tmp_path / "m")
    export(wide, tmp_path / "wide")
    found = built(Swapped(workshop, lambda: converted(tmp_path / "wide")), tmp_path / "m")["float32"]
    assert found.reason == "Output 'probabilities' has the shape [320, 40]; the original's is [320, 4]."


def test_6_an_operation_that_the_runtime_lacks_is_named_whether_or_not_the_converter_minds(
    tmp_path: Path, workshop: Workshop
) -> None:
    def complement(x: Any) -> Any:
        return {"values": tf.math.erfc(x)}

    export((complement, [tf.TensorSpec([None, 6, 6, 1], tf.float32, "image")]), tmp_path / "erfc")
    found = built(workshop, tmp_path / "erfc")["float32"]
    assert found.reason == "LiteRT has no operation for Erfc: export a signature without and name it with --signature"
    # A converter that leaves it to the runtime ends well, and the file cannot be loaded.
    content = converted(tmp_path / "erfc", allow_custom_ops=True)
    assert content[4:8] == b"TFL3"
    found = built(Swapped(workshop, lambda: content), tmp_path / "erfc")["float32"]
    assert not found.kept and found.reason.startswith("LiteRT has no operation for Erfc: "), found.reason
    # Exact GELU, which converters make Erfc of, LiteRT has whole.
    exact = keras.layers.Activation(lambda x: keras.activations.gelu(x, approximate=False))
    export(images(exact), tmp_path / "gelu")
    assert built(workshop, tmp_path / "gelu")["float32"].kept


def test_7_a_saved_model_with_slots_of_an_optimizer_that_is_gone_is_refused_with_what_to_do(
    tmp_path: Path, workshop: Workshop
) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    export(images(), tmp_path / "m")
    # As Keras 2 left it there, but of an optimizer that tf-keras, which may be installed, does not know either.
    file = tmp_path / "m" / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    nodes = saved.meta_graphs[0].object_graph_def.nodes
    variable, other = [number for number, node in enumerate(nodes) if node.WhichOneof("kind") == "variable"][:2]
    slot = {"original_variable_node_id": variable, "slot_name": "momentum", "slot_variable_node_id": other}
    optimizer = nodes.add()
    optimizer.user_object.identifier = "optimizer_of_old"
    optimizer.slot_variables.add(**slot)
    nodes[0].children.add(node_id=len(nodes) - 1, local_name="optimizer")
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(FailedPrecondition, match="cannot be loaded: it was saved with an optimizer of Keras 2") as told:
        built(workshop, tmp_path / "m")
    assert "tf-keras" in str(told.value.hint) and not (tmp_path / "artifacts").exists()


def test_8_a_resizing_that_is_another_one_is_refused_though_every_class_may_be_right(
    tmp_path: Path, workshop: Workshop
) -> None:
    export(images(), tmp_path / "m")
    export(images(interpolation="nearest"), tmp_path / "nearest")
    found = built(Swapped(workshop, lambda: converted(tmp_path / "nearest")), tmp_path / "m")["float32"]
    assert not found.kept and found.agreement is not None and found.agreement.largest_difference > 1e-3
    lax = parse_contract("agreement>=0.3")
    found = built(Swapped(workshop, lambda: converted(tmp_path / "nearest")), tmp_path / "m", contract=lax)["float32"]
    assert re.fullmatch(r"the largest difference is 0\.\d+, and 1e-05 is allowed", found.reason)


def test_9_a_model_that_amplifies_rounding_is_held_to_what_it_can_keep(tmp_path: Path, workshop: Workshop) -> None:
    weights = tf.constant(np.random.default_rng(2).normal(size=(36, 3)).astype(np.float32))

    def steep(factor: float) -> Any:
        def serve(image: Any) -> Any:
            return {"height": tf.sin(factor * tf.matmul(tf.reshape(image, [-1, 36]), weights))}

        return (serve, [tf.TensorSpec([None, 6, 6, 1], tf.float32, "image")])

    export(steep(300.0), tmp_path / "steep")
    found = built(workshop, tmp_path / "steep")["float32"]
    assert found.kept and found.agreement is not None and found.agreement.largest_difference > 1e-5, found
    # The same difference is too much for a model that does not.
    export(steep(1.0), tmp_path / "flat")
    export(steep(1.0001), tmp_path / "almost")
    swapped = Swapped(workshop, lambda: converted(tmp_path / "almost"))
    refused = built(swapped, tmp_path / "flat")["float32"]
    assert not refused.kept and refused.reason.startswith("0 of 320 rows are within 1.")


def test_an_original_that_cannot_be_asked_is_one_sentence(tmp_path: Path, workshop: Workshop) -> None:
    def checked(image: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_less(image, 0.5)]):
            return {"sum": tf.reduce_sum(image, [1, 2, 3])}

    export((checked, [tf.TensorSpec([None, 6, 6, 1], tf.float32, "image")]), tmp_path / "m", warm_up=IMAGES[:1] * 0)
    with pytest.raises(TaxiwayError, match="cannot be asked these rows: InvalidArgumentError"):
        built(workshop, tmp_path / "m")
