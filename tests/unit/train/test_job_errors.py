"""What a job or a request does wrong is one sentence, with the line of the job where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.errors import InvalidArgument, TaxiwayError
from taxiway.train.job import Telling, first_line, load_job
from taxiway.train.place import check_batch, chosen_devices

JOB = """
from json import loads

def build_model(params):
    return loads(params)

def datasets(context):
    return context
"""


def test_an_error_of_a_job_names_the_jobs_own_line(tmp_path: Path) -> None:
    (tmp_path / "raising_job.py").write_text(JOB)
    job = load_job("raising_job.py", tmp_path)
    with pytest.raises(InvalidArgument) as raised, Telling(f"{job.name}: build_model raised", job.source):
        job.build_model("no JSON")
    assert raised.value.message.startswith("raising_job.py: build_model raised: JSONDecodeError: Expecting value")
    assert raised.value.message.endswith(f"({tmp_path / 'raising_job.py'}:5).")
    assert raised.value.__cause__ is not None


def test_an_error_that_is_a_sentence_already_passes() -> None:
    told = TaxiwayError("There is no such file.")
    with pytest.raises(TaxiwayError) as raised, Telling("x"):
        raise told
    assert raised.value is told


def test_a_job_lacks_functions(tmp_path: Path) -> None:
    (tmp_path / "half_job.py").write_text("def datasets(context): ...\n")
    with pytest.raises(InvalidArgument, match=r"half_job.py is no job: it has no build_model\."):
        load_job("half_job.py", tmp_path)


def test_what_tensorflow_says_first_is_not_what_went_wrong() -> None:
    assert (
        first_line(ValueError("in user code:\n\n    File 'x', line 3, in f\n\n    KeyError: 'label'\n"))
        == "KeyError: 'label'"
    )
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError()) == ""


@pytest.mark.parametrize(
    ("wanted", "sentence", "hint"),
    [
        (["CPU:0", "cpu:0"], "A device is named twice: CPU:0, CPU:0.", None),
        (["CPU"], "CPU is no name of a device.", "Such as CPU:0 or GPU:1."),
        (["CPU:1", "CPU:2"], "There is no device CPU:1, CPU:2.", "There is CPU:0; --set logical_cpus=3 divides it."),
        (["GPU:0"], "There is no device GPU:0.", "There is CPU:0; taxiway devices"),
    ],
)
def test_devices_that_cannot_be_are_named(wanted: list[str], sentence: str, hint: str | None) -> None:
    with pytest.raises(TaxiwayError) as raised:
        chosen_devices("mirrored", wanted, ["CPU:0"])
    assert (raised.value.message, raised.value.hint) == (sentence, hint)


def test_devices_are_chosen_by_what_fits() -> None:
    there = ["CPU:0", "CPU:1", "GPU:0", "GPU:1"]
    assert chosen_devices("mirrored", ["/device:gpu:1", "GPU:0"], there) == ("GPU:1", "GPU:0")
    assert chosen_devices("mirrored", [], there) == ("GPU:0", "GPU:1")
    assert chosen_devices("one-device", [], there[:2]) == ("CPU:0",)


def test_a_batch_that_does_not_divide_is_refused_with_one_that_does() -> None:
    check_batch(96, 3)
    with pytest.raises(InvalidArgument, match="100 rows does not divide among 3 replicas") as raised:
        check_batch(100, 3)
    assert raised.value.hint == "--global-batch 99"
