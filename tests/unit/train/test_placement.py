"""Layers on devices by a table: everything of a layer is where the table says, and the losses are what they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from taxiway.errors import InvalidArgument
from taxiway.train.job import load_job
from taxiway.train.placement import device_of, table_of

ROOT = Path(__file__).parents[3]

# One process for all of it, since importing TensorFlow is what takes the time; it prints what it saw as JSON.
STORY = """
import json, sys
from types import SimpleNamespace
import taxiway
from taxiway.errors import TaxiwayError
from taxiway.train.devices import RuntimeSettings, configure_runtime
configure_runtime(RuntimeSettings(logical_cpus=2))
import tensorflow as tf
from examples.pipeline import job
from taxiway.train.placement import placed
asked = dict(runs=sys.argv[1], epochs=1, global_batch=96, seed=3, strategy="one-device")
def losses(job, **options):
    return [[one["loss"], one["val_loss"]] for one in taxiway.train(job, **{**asked, **options}).history]
def refused(job, **options):
    try: losses(job, **options)
    except TaxiwayError as error: return [error.message, error.hint]
plain = SimpleNamespace(build_model=job.build_model, datasets=job.datasets, __name__="plain")
def table(**table): return SimpleNamespace(**vars(plain), placement=lambda params: table)
found = {
    "piped": losses("examples/pipeline:job"), "plain": losses(plain, params={"pieces": 1}),
    "unmatched": refused(table(frist="CPU:0")), "missing": refused(table(first="CPU:2")),
    "mirrored": refused("examples/pipeline:job", strategy="mirrored"),
}
model = placed(job.placement, lambda: job.build_model({}))
found["variables"] = {one.path: one.value.device[-5:] for one in [*model.trainable_variables, *model.optimizer.variables]}
images, labels = (tf.convert_to_tensor(one) for one in job.datasets(None)[0])
graph = tf.function(model.train_step).get_concrete_function((images[:96], labels[:96])).graph
products = [one for one in graph.get_operations() if one.type == "MatMul"]
found["products"] = [[one.name, one.device[-5:]] for one in products]
piped, _ = tf.function(model.gradients)(images[:96], labels[:96])
model.pieces = 1
whole, _ = tf.function(model.gradients)(images[:96], labels[:96])
found["difference"] = max(float(tf.reduce_max(tf.abs(one - other))) for one, other in zip(piped, whole))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", STORY, str(tmp_path_factory.mktemp("runs"))], cwd=ROOT, capture_output=True, text=True,
        timeout=280, env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


@pytest.mark.tensorflow
@pytest.mark.timeout(300)
def test_a_layer_its_slots_and_its_gradients_are_on_its_device(story: dict[str, Any]) -> None:
    for path, device in story["variables"].items():
        if "kernel" in path or "bias" in path:
            assert device == ("CPU:1" if "second" in path else "CPU:0"), path
    forward = [(name, device) for name, device in story["products"] if "gradient_tape" not in name]
    backward = [(name, device) for name, device in story["products"] if "gradient_tape" in name]
    # Four micro-batches: two products forward, three backward, since nothing needs the gradient of the images.
    assert (len(forward), len(backward)) == (8, 12)
    assert all(device == ("CPU:1" if "/second" in name else "CPU:0") for name, device in forward + backward)


@pytest.mark.tensorflow
@pytest.mark.timeout(300)
def test_a_placed_pipeline_trains_as_the_plain_model_does(story: dict[str, Any]) -> None:
    assert story["difference"] < 1e-7
    assert story["piped"][0] == pytest.approx(story["plain"][0], rel=1e-5)


@pytest.mark.tensorflow
@pytest.mark.timeout(300)
def test_what_cannot_be_placed_is_refused(story: dict[str, Any]) -> None:
    assert story["unmatched"][0] == "No layer's name matches frist of the placement."
    assert "first" in story["unmatched"][1] and "second" in story["unmatched"][1]
    assert story["missing"][0] == "The placement puts first on CPU:2, which is not there."
    assert story["mirrored"][0].startswith("mirrored gives each device the whole model")


def test_the_first_pattern_that_matches_counts() -> None:
    table = {"encoder_1*": "CPU:1", "encoder*": "CPU:0"}
    names = ("encoder_12", "encoder_2", "head")
    assert [device_of(table, name) for name in names] == ["CPU:1", "CPU:0", None]


def job(placement: Any) -> Any:
    return load_job(SimpleNamespace(build_model=print, datasets=print, placement=placement))


def test_a_table_stands_in_the_job_or_is_made_of_the_parameters() -> None:
    assert table_of(job({"head": "/cpu:1"}), {}) == {"head": "CPU:1"}
    assert table_of(job(lambda params: {"head": params["device"]}), {"device": "CPU:0"}) == {"head": "CPU:0"}
    assert table_of(job(None), {}) == {}
    with pytest.raises(InvalidArgument, match="not a table of layer names and devices"):
        table_of(job(lambda params: ["head"]), {})
    with pytest.raises(InvalidArgument, match="placement is a list, not a function"):
        job(["head"])
