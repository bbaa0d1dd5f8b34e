"""Messages of any type, filled from one seeded ``Random``: nearly right where it is known what right is."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.target import MODELS

INTEGERS = (0, 1, -1, 2, 7, 127, 255, 2**31 - 1, -(2**31), 2**32, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.5, math.nan, math.inf, -math.inf, 3.4e38, 1e-46)
TEXTS = ("", "x", "serving_default", "classify", "regress", "predict", "signature_def", "stable", "é\n", "/", "%00")
# Extents whose product overflows, is negative, or is more than any memory holds.
EXTENTS = (0, 1, 2, 3, -1, -(2**63), 2**31, 2**32, 2**62, 2**63 - 1)
# A model's inputs: name of the signature, and of each input its dtype, shape and the field of its values.
Port = tuple[int, tuple[int, ...], str]
INPUTS: dict[str, list[tuple[str, dict[str, Port]]]] = {
    "half_plus_two": [("serving_default", {"x": (1, (-1,), "float_val")})],
    "matrix": [("serving_default", {"a": (1, (-1, 2), "float_val"), "b": (9, (-1, 2), "int64_val")}), ("seven", {})],
    "words": [("serving_default", {"text": (7, (-1,), "string_val")})],
    "odd": [
        (
            "serving_default",
            {
                "half": (19, (-1, 1), "half_val"), "flag": (10, (), "bool_val"), "byte": (4, (-1,), "int_val"),
                "wide": (2, (-1, 3), "double_val"),
            },
        ),
        ("complex", {"z": (8, (-1,), "scomplex_val")}),
    ],
    "examples": [("predict", {"inputs": (7, (-1,), "string_val")})],
    "lite": [("serving_default", {"serving_default_x": (1, (1, 2), "float_val")})],
}  # fmt: skip
WIDTHS = {1: 4, 2: 8, 4: 1, 8: 8, 9: 8, 10: 1, 19: 2}


class Messages:
    """Fills messages.

    Args:
        random: what everything is made from.
        models: the folder of the server's models, for configs that it takes. None makes only those that are refused:
            one that is taken must not be spoilt afterwards, or it takes the models away that the others ask.
    """

    def __init__(self, random: Random, models: Path | None = None) -> None:
        self._random = random
        self._models = models
        self._known: dict[str, Callable[[Any], None]] = {
            "tensorflow.serving.ModelSpec": self._spec,
            "tensorflow.serving.PredictRequest": self._predict,
            "tensorflow.serving.ClassificationRequest": lambda request: self._about_examples(request, "classify"),
            "tensorflow.serving.RegressionRequest": lambda request: self._about_examples(request, "regress"),
            "tensorflow.serving.MultiInferenceRequest": self._many_tasks,
            "tensorflow.serving.GetModelMetadataRequest": self._metadata,
            "tensorflow.serving.Input": self._input,
            "tensorflow.serving.ReloadConfigRequest": self._reload,
            "tensorflow.ProfileRequest": self._watch,
            "tensorflow.MonitorRequest": self._watch,
            "tensorflow.TensorProto": lambda tensor: self._tensor(tensor, (1, (-1,), "float_val")),
        }

    def fill(self, message: Any, depth: int = 0) -> Any:
        """Fill ``message`` in place, and return it."""
        known = self._known.get(message.DESCRIPTOR.full_name)
        if known is not None and self._random.random() < 0.95:
            known(message)
            return message
        for field in message.DESCRIPTOR.fields:
            if self._random.random() < (0.9 if depth == 0 else 0.5) and depth < 6:
                self._fill_field(message, field, depth)
        return message

    def _fill_field(self, message: Any, field: Any, depth: int) -> None:
        many = field.is_repeated
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            value = entry.fields_by_name["value"]
            for _ in range(self._random.randrange(3)):
                key = self._scalar(entry.fields_by_name["key"])
                if value.message_type is not None:
                    self.fill(getattr(message, field.name)[key], depth + 1)
                else:
                    getattr(message, field.name)[key] = self._scalar(value)
        elif entry is not None:
            for _ in range(self._random.randrange(4) if many else 1):
                one = getattr(message, field.name)
                self.fill(one.add() if many else one, depth + 1)
        elif many:
            getattr(message, field.name).extend(self._scalar(field) for _ in range(self._random.randrange(4)))
        else:
            setattr(message, field.name, self._scalar(field))

    def _scalar(self, field: Any) -> Any:
        random, kind = self._random, field.cpp_type
        if kind == field.CPPTYPE_STRING:
            text = random.choice((*TEXTS, *MODELS))
            return text if field.type != field.TYPE_BYTES else text.encode() + random.randbytes(random.randrange(9))
        if kind == field.CPPTYPE_BOOL:
            return random.random() < 0.5
        if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
            return random.choice(FLOATS)
        bits = 64 if kind in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) else 32
        number: int = random.choice(INTEGERS) & ((1 << bits) - 1)
        unsigned = kind in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
        return number if unsigned or number < 1 << (bits - 1) else number - (1 << bits)

    def _spec(self, spec: Any) -> None:
        random = self._random
        spec.name = random.choice(MODELS) if random.random() < 0.9 else random.choice(TEXTS)
        if random.random() < 0.5:
            spec.signature_name = random.choice(TEXTS)
        if random.random() < 0.2:
            spec.version.value = random.choice((1, 1, 2, *INTEGERS[:4]))
        elif random.random() < 0.1:
            spec.version_label = random.choice(TEXTS)

    def _predict(self, request: Any) -> None:
        random = self._random
        self._spec(request.model_spec)
        model = request.model_spec.name if request.model_spec.name in INPUTS else "half_plus_two"
        signature, ports = random.choice(INPUTS[model])
        if random.random() < 0.9:
            request.model_spec.signature_name = signature
        for alias, port in ports.items():
            if random.random() < 0.97:
                self._tensor(request.inputs[alias], port)
        if random.random() < 0.1:
            self._tensor(request.inputs[random.choice(TEXTS)], (1, (-1,), "float_val"))
        if random.random() < 0.1:
            request.output_filter.extend(random.choice(("y", "sum", "upper", *TEXTS)) for _ in range(2))

    def _watch(self, request: Any) -> None:
        """A profile that ends soon: it lasts as long as it is asked to."""
        request.duration_ms = self._random.choice((0, 1, 1, 2, 10))

    def _about_examples(self, request: Any, signature: str) -> None:
        self._spec(request.model_spec)
        if self._random.random() < 0.8:
            request.model_spec.name, request.model_spec.signature_name = "examples", signature
        self._input(request.input)

    def _many_tasks(self, request: Any) -> None:
        for signature in self._random.choices(("classify", "regress", "predict", ""), (8, 8, 1, 1), k=2):
            task = request.tasks.add(method_name=f"tensorflow/serving/{signature}")
            self._spec(task.model_spec)
            if self._random.random() < 0.9:
                task.model_spec.name, task.model_spec.signature_name = "examples", signature
        self._input(request.input)

    def _metadata(self, request: Any) -> None:
        self._spec(request.model_spec)
        fields = ("signature_def", "signature_def", self._random.choice(TEXTS))
        request.metadata_field.extend(fields[: self._random.randrange(4)])

    def _tensor(self, tensor: Any, port: Port) -> None:
        """A right tensor, or one with a single thing wrong."""
        random = self._random
        dtype, shape, field = port
        rows = random.choice((0, 1, 1, 2, 5))
        extents = [rows if extent < 0 else extent for extent in shape]
        tensor.dtype = dtype
        wrong = random.choice(("", "", "", "dtype", "shape", "rank", "deep", "count", "content", "both", "huge"))
        if wrong in ("shape", "huge"):
            extents = [random.choice(EXTENTS) for _ in range(random.randrange(1, 5 if wrong == "shape" else 300))]
        if wrong == "deep":  # more dimensions than there can be, or just as many
            extents = [random.choice((0, 1))] * random.choice((254, 255, 300))
        for extent in extents:
            tensor.tensor_shape.dim.add(size=extent)
        tensor.tensor_shape.unknown_rank = wrong == "rank" and random.random() < 0.5
        if wrong == "rank":
            tensor.tensor_shape.dim.add(size=1)
        if wrong == "dtype":
            tensor.dtype = random.choice((*range(-1, 33), 101, 2**31 - 1))
        count = math.prod(extents) if 0 <= math.prod(extents) < 1000 else 3
        if (wrong in ("content", "both") or random.random() < 0.3) and dtype in WIDTHS:
            exact = count * WIDTHS[dtype]
            tensor.tensor_content = random.randbytes(random.choice((0, 1, exact + 1, exact * 2)) if wrong else exact)
        if not tensor.tensor_content or wrong == "both":
            values = count if wrong != "count" else random.choice((0, 1, count + 1))
            # A complex number is two values.
            getattr(tensor, field).extend(self._value(field) for _ in range(values * (1 + field.startswith("sc"))))

    def _value(self, field: str) -> Any:
        if field == "string_val":
            return self._random.randbytes(self._random.randrange(9))
        if field == "bool_val":
            return self._random.random() < 0.5
        return self._random.choice(FLOATS) if field[0] in "fds" else self._random.choice(INTEGERS[:7])

    def _input(self, given: Any) -> None:
        random = self._random
        contextual = random.random() < 0.3
        listed = given.example_list_with_context if contextual else given.example_list
        for _ in range(random.choice((0, 1, 1, 3, 20))):
            self._example(listed.examples.add())
        if contextual:
            self._example(given.example_list_with_context.context)

    def _example(self, example: Any) -> None:
        random, features = self._random, example.features.feature
        if random.random() < 0.05:
            features[random.choice(TEXTS)].int64_list.value.extend(random.choices(INTEGERS, k=3))
        if random.random() < 0.9:
            features["x"].float_list.value.append(random.choice(FLOATS))
        if random.random() < 0.1:
            features["x"].bytes_list.value.append(b"no number")
        if random.random() < 0.5:
            features["name"].bytes_list.value.append(random.randbytes(3))

    def _reload(self, request: Any) -> None:
        """A config that must be refused; or the one in force, sometimes with a model more that comes and goes."""
        random = self._random
        request.metric_names.extend(random.choices(TEXTS, k=random.randrange(3)))
        if random.random() < 0.2:
            request.config.custom_model_config.type_url = random.choice(TEXTS)
            return
        entries = request.config.model_config_list.config
        if self._models is not None and random.random() < 0.3:
            for name in MODELS:
                entry = entries.add(name=name, base_path=str(self._models / name), model_platform="tensorflow")
                entry.model_version_policy.all.SetInParent()
                entry.version_labels["stable"] = 1
            if random.random() < 0.3:
                # Where nothing is, nothing comes: that is given up after --reload_timeout_seconds.
                base = self._models / ("half_plus_two" if random.random() < 0.9 else "nothing")
                entries.add(name="fleeting", base_path=str(base), model_platform="tensorflow")
            return
        for _ in range(random.randrange(1, 4)):
            entry = entries.add(name=random.choice((*MODELS, "")), base_path=random.choice(TEXTS))
            entry.model_platform = random.choice(("", "tensorflow", "caffe"))
        # The same name twice is refused before anything changes; so is a model that came to stand elsewhere.
        entries.add(name="x", base_path="/x", model_platform="tensorflow")
        entries.add(name="x", base_path="/y", model_platform="tensorflow")
