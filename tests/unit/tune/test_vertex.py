"""The mapping to Vertex AI's study specification, held to the published messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from taxiway.errors import InvalidArgument
from taxiway.train.request import TrainRequest
from taxiway.tune.description import Budget, Description, Goal, Search
from taxiway.tune.space import Choice, Float, Int, Space
from taxiway.tune.vertex import from_vertex_parameters, to_vertex_study_spec, to_vertex_tuning_job

ASSETS = Path(__file__).parents[2] / "assets"
SPACE = Space(
    {
        "rate": Float(1e-4, 0.1, log=True),
        "dropout": Float(0, 0.5),
        "share": Float(0.1, 0.5, step=0.1),
        "units": Int(16, 256),
        "depth": Int(1, 64, log=True),
        "width": Int(8, 32, step=8),
        "activation": Choice(["relu", "tanh"]),
        "batch": Choice([64, 16, 32]),
    }
)


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The published messages, by name."""
    out = tmp_path_factory.mktemp("proto") / "set.binpb"
    # In a process of its own: it does not get on with TensorFlow's protobuf.
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ASSETS}", f"--descriptor_set_out={out}"]
    subprocess.run([*protoc, "vertex_study.proto"], check=True, timeout=60)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)

    def named(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.cloud.aiplatform.v1.{name}"))()

    return named


def described(space: Space = SPACE, **search: str) -> Description:
    return Description(
        request=TrainRequest(job="job.py"), space=space, goal=Goal("val_accuracy", "maximize"),
        budget=Budget(trials=40, max_failed=4), search=Search(**search),
    )  # fmt: skip


def test_every_kind_of_parameter_is_one_that_vertex_reads(messages: Any) -> None:
    spec = to_vertex_study_spec(described())
    read = json_format.ParseDict(spec, messages("StudySpec"))
    assert [(one.parameter_id, one.WhichOneof("parameter_value_spec"), one.scale_type) for one in read.parameters] == [
        ("rate", "double_value_spec", 2),
        ("dropout", "double_value_spec", 1),
        ("share", "discrete_value_spec", 1),
        ("units", "integer_value_spec", 1),
        ("depth", "integer_value_spec", 2),
        ("width", "discrete_value_spec", 1),
        ("activation", "categorical_value_spec", 0),
        ("batch", "discrete_value_spec", 0),
    ]
    values = {one.parameter_id: one for one in read.parameters}
    assert list(values["share"].discrete_value_spec.values) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert list(values["batch"].discrete_value_spec.values) == [16, 32, 64]
    assert (values["units"].integer_value_spec.min_value, values["units"].integer_value_spec.max_value) == (16, 256)
    assert (read.metrics[0].metric_id, read.metrics[0].goal) == ("val_accuracy", 1)
    assert read.measurement_selection_type == 1


def test_what_is_read_back_is_what_was_said(messages: Any) -> None:
    spec = to_vertex_study_spec(described(early_stopping="median"))
    back = json_format.MessageToDict(
        json_format.ParseDict(spec, messages("StudySpec")), always_print_fields_with_no_presence=True
    )
    # Fields that are their default are printed too; ours say nothing else.
    assert {key: back[key] for key in spec} == {
        **spec,
        "parameters": [{"scaleType": "SCALE_TYPE_UNSPECIFIED", **one} for one in spec["parameters"]],
    }


@pytest.mark.parametrize(
    ("algorithm", "number"), [("tpe", 0), ("grid", 2), ("random", 3)], ids=["tpe", "grid", "random"]
)
def test_algorithms(algorithm: str, number: int, messages: Any) -> None:
    spec = to_vertex_study_spec(described(Space({"n": Int(1, 4)}), algorithm=algorithm))
    assert json_format.ParseDict(spec, messages("StudySpec")).algorithm == number


def test_median_stopping_is_by_epochs(messages: Any) -> None:
    spec = to_vertex_study_spec(described(early_stopping="median"))
    read = json_format.ParseDict(spec, messages("StudySpec"))
    assert read.WhichOneof("automated_stopping_spec") == "median_automated_stopping_spec"
    assert not read.median_automated_stopping_spec.use_elapsed_duration
    assert "medianAutomatedStoppingSpec" not in to_vertex_study_spec(described())


def test_counts_stand_in_the_tuning_job(messages: Any) -> None:
    job = json_format.ParseDict(to_vertex_tuning_job(described(), "digits", 3), messages("HyperparameterTuningJob"))
    assert (job.max_trial_count, job.parallel_trial_count) == (40, 3)
    # Four failures may be; the fifth ends it.
    assert job.max_failed_trial_count == 5
    assert job.display_name == "digits" and len(job.study_spec.parameters) == 8


REFUSED: list[tuple[Description, str]] = [
    (described(Space({"flag": Choice([True, False])})), "Vertex AI has no place for True, a value of flag."),
    (described(Space({"kind": Choice(["a", None])})), "Vertex AI has no place for None, a value of kind."),
    (described(Space({"kind": Choice(["a", 1])})), "kind chooses from texts and numbers; Vertex AI takes one or the other."),
    (described(Space({"x": Float(0, 1, step=1e-4)})), "x has 10,001 values; Vertex AI takes 1,000."),
    (described(Space({"x": Choice([1.0, 1.0 + 1e-12])})), "x has values less than 1e-10 apart, which Vertex AI cannot tell apart."),
    (described(early_stopping="hyperband"), "Vertex AI has no Hyperband."),
]  # fmt: skip


@pytest.mark.parametrize(("description", "said"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_what_vertex_does_not_have_is_refused_with_a_sentence(description: Description, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_vertex_study_spec(description)
    assert caught.value.message == said


def test_a_trial_of_vertex_is_what_the_job_would_get() -> None:
    given = {
        "rate": 0.01, "dropout": 0, "share": 0.30000000000000004, "units": 32.0, "depth": 4.0, "width": 16.0,
        "activation": "tanh", "batch": 64.0,
    }  # fmt: skip
    found = from_vertex_parameters(SPACE, [{"parameterId": name, "value": value} for name, value in given.items()])
    assert found == {
        "rate": 0.01, "dropout": 0.0, "share": 0.3, "units": 32, "depth": 4, "width": 16, "activation": "tanh",
        "batch": 64,
    }  # fmt: skip
    assert [type(found[name]) for name in ("units", "width", "batch", "dropout")] == [int, int, int, float]


def test_a_parameter_that_is_not_of_the_space_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="The space has no parameter rates"):
        from_vertex_parameters(SPACE, [{"parameterId": "rates", "value": 1}])
    with pytest.raises(InvalidArgument, match="batch cannot be 48"):
        from_vertex_parameters(SPACE, [{"parameterId": "batch", "value": 48.0}])
