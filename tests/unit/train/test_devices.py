"""Runtime settings: contradictions are refused, and what holds is shown beside what was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.train.devices import RuntimeSettings, check_devices, read_settings

# One process for all of it, since importing TensorFlow is what takes the time; it prints what it saw as JSON.
STORY = """
import json, os
from taxiway.errors import FailedPrecondition
from taxiway.train.devices import RuntimeSettings, apply_runtime, configure_runtime
class Job:
    def build_model(self, params): raise AssertionError("the runtime comes first")
    datasets = build_model
def refused(settings):
    try: configure_runtime(settings)
    except FailedPrecondition as error: return error.message
settings = RuntimeSettings(logical_cpus=2, intra_op_threads=1, soft_placement=False, deterministic=True, seed=3)
report = configure_runtime(settings)
again = configure_runtime(settings) == report
other = refused(RuntimeSettings(logical_cpus=3))
import tensorflow as tf
os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": ["127.0.0.1:0"]}, "task": {"type": "worker", "index": 0}})
replicas = tf.distribute.MultiWorkerMirroredStrategy().num_replicas_in_sync
logical = [device.name for device in tf.config.list_logical_devices("CPU")]
from taxiway.train.devices import configure
configure._DONE.clear()
late = refused(RuntimeSettings(logical_cpus=3))
import taxiway; del os.environ["TF_CONFIG"]
try: taxiway.train(Job, runtime={"logical_cpus": 3}, runs=os.environ["RUNS"])
except FailedPrecondition as error: trained = error.message
asked = apply_runtime({}, 0).requested["logical_cpus"]
print(json.dumps([report.as_json(), again, other, replicas, logical, late, trained, asked]))
"""


@pytest.mark.tensorflow
def test_the_runtime_is_set_up_once_and_before_anything_else(tmp_path: Path) -> None:
    environment = {**os.environ, "RUNS": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", STORY], capture_output=True, text=True, timeout=280, env=environment)
    assert run.returncode == 0, run.stderr
    report, again, other, replicas, logical, late, trained, asked = json.loads(run.stdout.splitlines()[-1])
    settings = report["settings"]
    assert again
    assert settings["logical_cpus"] == {"requested": 2, "effective": 2}
    assert settings["soft_placement"] == {"requested": False, "effective": False}
    assert settings["intra_op_threads"]["effective"] == 1
    assert settings["inter_op_threads"]["requested"] is None
    # A multi-worker strategy finds the runtime untouched, and the names that were counted are those it gives.
    assert replicas == 1
    assert [f"/device:{name}" for name in report["logical"]] == ["/device:CPU:0", "/device:CPU:1"]
    assert len(logical) == 2 and all(name.endswith(f"CPU:{index}") for index, name in enumerate(logical))
    assert "set up with another logical_cpus (2)" in other
    assert late.startswith("logical_cpus cannot be set: TensorFlow already runs with something else")
    # A training refuses what cannot be had any more, and one that asks for nothing takes what there is.
    assert trained == late and asked is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"memory_growth": True, "memory_limit_mb": 100}, "contradict each other"),
        ({"logical_gpus": 2}, "need memory_limit_mb"),
        ({"deterministic": True}, "needs a seed"),
        ({"mixed_precision": "half"}, "no precision policy 'half'"),
        ({"logical_cpus": 0}, "at least 1"),
        ({"logical_cpus": True}, "at least 1"),
        ({"soft_placement": 1}, "true or false"),
        ({"visible_gpus": [0, 0]}, "twice"),
        ({"seed": 1 << 32}, "at most"),
        ({"memory_grow": True}, "no runtime setting 'memory_grow'"),
    ],
)
def test_a_contradiction_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        RuntimeSettings.from_json(settings)


@pytest.mark.parametrize(
    ("settings", "devices", "sentence"),
    [
        ({"visible_gpus": [1]}, ["CPU:0", "GPU:0"], "There is no GPU:1 on this machine; it has CPU:0, GPU:0."),
        ({"memory_growth": True}, ["CPU:0"], "memory_growth needs a GPU"),
        ({"memory_limit_mb": 9, "logical_gpus": 2}, ["CPU:0"], "memory_limit_mb and logical_gpus need a GPU"),
        ({"mixed_precision": "mixed_float16"}, ["CPU:0"], "mixed_float16 needs a GPU"),
        ({"visible_gpus": [], "memory_growth": True}, ["CPU:0", "GPU:0"], "none is used here"),
    ],
)
def test_a_setting_without_its_device_is_refused(settings: dict[str, Any], devices: list[str], sentence: str) -> None:
    with pytest.raises(FailedPrecondition, match=sentence):
        check_devices(RuntimeSettings.from_json(settings), devices)


def test_settings_that_fit_a_gpu_pass() -> None:
    settings = {"memory_growth": True, "visible_gpus": [0], "mixed_precision": "mixed_float16"}
    check_devices(RuntimeSettings.from_json(settings), ["CPU:0", "GPU:0"])


def test_settings_are_read_from_a_command_line() -> None:
    settings = read_settings(["visible_gpus=0,1", "memory_growth=True", "mixed_precision=mixed_bfloat16", "seed=7"])
    assert settings == RuntimeSettings(
        visible_gpus=(0, 1), memory_growth=True, mixed_precision="mixed_bfloat16", seed=7
    )
    assert RuntimeSettings.from_json(settings.as_json()) == settings
    assert read_settings(["visible_gpus=none"]).visible_gpus == ()
    with pytest.raises(InvalidArgument, match="'seed' is no setting"):
        read_settings(["seed"])
