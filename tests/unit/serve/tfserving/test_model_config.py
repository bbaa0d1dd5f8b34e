from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format

from taxiway.errors import FailedPrecondition, InvalidArgument, TaxiwayError, Unimplemented
from taxiway.serve.tfserving.model_config import (
    ModelEntry,
    VersionPolicy,
    check_labels,
    single_model_config,
    transition,
)
from taxiway.wire import message


def config(text: str) -> Any:
    return text_format.Parse(text, message("tensorflow.serving.ModelServerConfig")())


def models(*texts: str) -> Any:
    return config("model_config_list {" + "".join(f"config {{ {text} }}" for text in texts) + "}")


def model(name: str, more: str = 'model_platform: "tensorflow"', base_path: str = "/m") -> str:
    return f'name: "{name}" base_path: "{base_path}" {more}'


def go(new: Any, old: Any = None) -> tuple[ModelEntry, ...] | None:
    in_force = transition(None, old, ["tensorflow", "other"]) if old is not None else None
    return transition(in_force, new, ["tensorflow", "other"])


TF = 'model_platform: "tensorflow" '


@pytest.mark.tfs("policy-latest", "policy-latest-n", "policy-all", "policy-specific")
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", VersionPolicy("latest", 1)),
        ("model_version_policy {}", VersionPolicy("latest", 1)),
        ("model_version_policy { latest {} }", VersionPolicy("latest", 1)),
        ("model_version_policy { latest { num_versions: 3 } }", VersionPolicy("latest", 3)),
        ("model_version_policy { all {} }", VersionPolicy("all", 0)),
        ("model_version_policy { specific { versions: [7, -1] } }", VersionPolicy("specific", 0, (7, -1))),
        ("model_version_policy { specific {} }", VersionPolicy("specific", 0, ())),
    ],
)
def test_policies(policy: str, expected: VersionPolicy) -> None:
    (entry,) = go(models(model("a", TF + policy))) or ()
    assert entry.policy == expected


@pytest.mark.tfs("file-models")
def test_labels_logging_and_order_come_through() -> None:
    text = (
        TF + 'version_labels { key: "stable" value: 3 } version_labels { key: "canary" value: 3 } logging_config {'
        'log_collector_config { type: "file" filename_prefix: "/l/x" } sampling_config { sampling_rate: 0.25 } }'
    )
    second, first = go(models(model("b", text), model("a"))) or ()
    assert (second.name, first.name, first.labels, first.logging) == ("b", "a", {}, None)
    assert second.labels == {"stable": 3, "canary": 3}
    assert second.logging is not None
    assert (second.logging.collector, second.logging.filename_prefix, second.logging.rate) == ("file", "/l/x", 0.25)


def test_the_two_flags_stand_for_a_config_of_one_model() -> None:
    (entry,) = go(single_model_config("a", "gs://bucket/a")) or ()
    assert (entry.name, entry.base_path, entry.platform) == ("a", "gs://bucket/a", "tensorflow")


NEITHER = (
    "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
    "model name is a"
)
BOTH = (
    "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
    "model name is a"
)


@pytest.mark.tfs("reload-twice", "reload-absolute", "reload-platform", "reload-custom", "file-models")
@pytest.mark.parametrize(
    ("new", "old", "kind", "text"),
    [
        (models(model("a"), model("a")), None, InvalidArgument,
         "Illegal to list model a multiple times in config list"),
        (models(model("a", base_path="m/a")), None, InvalidArgument,
         "Expected model a to have an absolute path or URI; got base_path()=m/a"),
        (models(model("a", base_path="")), None, InvalidArgument,
         "Expected model a to have an absolute path or URI; got base_path()="),
        (models(model("a", "")), None, InvalidArgument, NEITHER),
        (models(model("a", 'model_type: TENSORFLOW model_platform: "tensorflow"')), None, InvalidArgument, BOTH),
        (models(model("a", "model_type: OTHER")), None, InvalidArgument,
         "ModelServerConfig::model_type choice 2 not supported."),
        (models(model("a", 'model_platform: "onnx"')), None, InvalidArgument,
         "Model a requests unsupported platform onnx"),
        (models(model("a", 'model_platform: "other"')), models(model("a")), InvalidArgument,
         "Illegal to change a model's platform. For model a platform was tensorflow and new platform requested is other"),
        (config(""), models(model("a")), FailedPrecondition,
         "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."),
        (config("custom_model_config {}"), models(model("a")), FailedPrecondition,
         "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."),
        (config("custom_model_config {}"), None, Unimplemented,
         "ModelServer does not yet support custom model config."),
        # The order of the checks: a repeated name before a relative path, a path before a platform.
        (models(model("a", base_path="x"), model("b"), model("b")), None, InvalidArgument,
         "Illegal to list model b multiple times in config list"),
        (models(model("a", ""), model("b", base_path="x")), None, InvalidArgument,
         "Expected model b to have an absolute path or URI; got base_path()=x"),
        (models(model("b", 'model_platform: "onnx"'), model("a", "")), models(model("a")), InvalidArgument, NEITHER),
    ],
)  # fmt: skip
def test_a_config_that_may_not_follow_is_refused(new: Any, old: Any, kind: type[TaxiwayError], text: str) -> None:
    with pytest.raises(kind) as caught:
        go(new, old)
    assert caught.value.message == text


def test_the_deprecated_type_means_the_platform_tensorflow() -> None:
    (entry,) = go(models(model("a", "model_type: TENSORFLOW")), models(model("a"))) or ()
    assert entry.platform == "tensorflow"


@pytest.mark.tfs("reload-empty")
def test_an_empty_config_before_any_other_asks_for_nothing() -> None:
    assert go(config("")) is None


def test_a_list_without_models_removes_all() -> None:
    assert go(config("model_config_list {}"), models(model("a"))) == ()


def entry(**labels: int) -> ModelEntry:
    return ModelEntry("a", "/m", "tensorflow", VersionPolicy(), labels, None)


@pytest.mark.tfs("label-available", "label-flag")
@pytest.mark.parametrize(
    ("labels", "available", "current", "allow", "refused"),
    [
        ({"stable": 1}, {1}, {}, False, None),
        ({"stable": 1, "canary": 2}, {1, 2}, {"stable": 2}, False, None),
        ({"stable": 1}, set(), {}, False, 1),
        ({"stable": 2}, {1}, {"stable": 1}, False, 2),
        ({"canary": 2}, {1}, {}, True, None),
        ({"canary": 2}, {1}, {"canary": 2}, True, None),
        ({"canary": 2}, {1}, {"canary": 1}, True, 2),
        ({}, set(), {"stable": 1}, False, None),
    ],
)
def test_a_label_may_point_to_what_serves(
    labels: dict[str, int], available: set[int], current: dict[str, int], allow: bool, refused: int | None
) -> None:
    def check() -> None:
        check_labels([entry(**labels)], {"a": available}, {"a": current}, allow)

    if refused is None:
        check()
        return
    with pytest.raises(FailedPrecondition) as caught:
        check()
    assert caught.value.message == (
        f"Request to assign label to version {refused} of model a, which is not currently available for inference"
    )
