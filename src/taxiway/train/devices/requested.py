"""The runtime settings of a training: held to its seed when they are asked for, applied by each of its processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from taxiway.errors import InvalidArgument
from taxiway.train.devices.configure import RuntimeReport, configure_runtime, current_runtime
from taxiway.train.devices.settings import RuntimeSettings

__all__ = ["apply_runtime", "checked_runtime"]


def checked_runtime(runtime: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The settings as they stand in a request: without a seed, which is the run's.

    Raises:
        InvalidArgument: an unknown setting, a wrong value, a contradiction, or another seed than the run's.
    """
    if runtime.get("seed", seed) != seed:
        raise InvalidArgument(
            f"The runtime's seed is {runtime['seed']!r}, the run's is {seed}.", hint="Give the run's seed alone: --seed"
        )
    settings = RuntimeSettings.from_json({**runtime, "seed": seed}).as_json()
    del settings["seed"]
    return settings


def apply_runtime(
    runtime: Mapping[str, Any], seed: int, say: Callable[[str], None] = lambda line: None
) -> RuntimeReport:
    """Set this process up as a request asks, and say so; one that asks for nothing leaves the process as it is.

    Raises:
        FailedPrecondition: TensorFlow already runs with something else, or a device is not there.
    """
    if not runtime:
        return current_runtime()
    report = configure_runtime(RuntimeSettings.from_json({**runtime, "seed": seed}))
    say("runtime: " + ", ".join(f"{name} {shown}" for name, _, shown in report.rows() if name in runtime))
    return report
