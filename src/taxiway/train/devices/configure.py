"""Set TensorFlow's runtime up, once, and say what became of each setting.

None of it starts the runtime: a multi-worker strategy has to find it untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from taxiway.errors import FailedPrecondition
from taxiway.train.devices.settings import RuntimeSettings, check_devices

__all__ = ["Device", "RuntimeReport", "configure_runtime", "current_runtime", "physical_devices"]


@dataclass(frozen=True)
class Device:
    """A physical device: ``CPU:0``, its type, and the driver's name for it, where it has one."""

    name: str
    type: str
    description: str = ""


@dataclass(frozen=True)
class RuntimeReport:
    """What was asked of the runtime, and what holds.

    Attributes:
        devices: the physical devices, used or not.
        logical: the names that models can be placed on, such as ``CPU:0`` and ``CPU:1``.
        requested: each setting's value as asked for, None where it was not.
        effective: each setting's value as it is.
    """

    devices: tuple[Device, ...]
    logical: tuple[str, ...]
    requested: dict[str, Any]
    effective: dict[str, Any]

    def rows(self) -> list[tuple[str, str, str]]:
        """(setting, requested, effective), as text for a table."""
        return [(name, _text(self.requested[name]), _text(value)) for name, value in self.effective.items()]

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "devices": [vars(device) for device in self.devices],
            "logical": list(self.logical),
            "settings": {
                name: {"requested": self.requested[name], "effective": value} for name, value in self.effective.items()
            },
        }


_DONE: list[RuntimeSettings] = []


def configure_runtime(settings: RuntimeSettings | None = None) -> RuntimeReport:
    """Set TensorFlow's runtime up; to be called before its first op.

    The same settings again change nothing; a seed may be set again.

    Raises:
        FailedPrecondition: a device is not there, a setting needs a GPU, the process was set up differently before, or
            TensorFlow already runs with something else.
    """
    import tensorflow as tf

    settings = settings or RuntimeSettings()
    check_devices(settings, [device.name for device in physical_devices()])
    if _DONE and _DONE[0] != replace(settings, seed=_DONE[0].seed):
        raise FailedPrecondition(
            f"This process's runtime was set up with another {_differing(_DONE[0], settings)}.",
            hint="Call configure_runtime once, with everything.",
        )
    if not _DONE:
        for name, apply in _steps(tf, settings):
            try:
                apply()
            except (RuntimeError, ValueError) as error:
                raise FailedPrecondition(
                    f"{name} cannot be set: TensorFlow already runs with something else ({error}).",
                    hint="Call configure_runtime before anything else uses TensorFlow.",
                ) from None
    elif settings.seed is not None:
        _set_seed(settings.seed)
    _DONE[:] = [settings]
    return _report(tf, settings)


def current_runtime() -> RuntimeReport:
    """What holds in this process, and what was asked for, if anything was; changes nothing."""
    import tensorflow as tf

    return _report(tf, _DONE[0] if _DONE else RuntimeSettings())


def physical_devices() -> tuple[Device, ...]:
    """The devices of this machine that TensorFlow can use, CPU first."""
    import tensorflow as tf

    found = []
    for device in sorted(tf.config.list_physical_devices(), key=lambda device: (device.device_type, device.name)):
        details = tf.config.experimental.get_device_details(device) if device.device_type == "GPU" else {}
        found.append(Device(_short(device.name), device.device_type, details.get("device_name", "")))
    return tuple(found)


def _steps(tf: Any, settings: RuntimeSettings) -> list[tuple[str, Callable[[], Any]]]:
    """(setting, what sets it), for the settings that were asked for."""
    config = tf.config
    gpus, cpus = config.list_physical_devices("GPU"), config.list_physical_devices("CPU")
    used = gpus if settings.visible_gpus is None else [gpus[index] for index in settings.visible_gpus]
    steps: list[tuple[str, Callable[[], Any]]] = []
    if settings.visible_gpus is not None:
        steps.append(("visible_gpus", lambda: config.set_visible_devices(used, "GPU")))
    if settings.memory_growth is not None:
        growth = settings.memory_growth
        steps.append(
            ("memory_growth", lambda: [config.experimental.set_memory_growth(gpu, growth) for gpu in used]),
        )
    if settings.logical_cpus is not None:
        cpu_parts = [config.LogicalDeviceConfiguration()] * settings.logical_cpus
        steps.append(("logical_cpus", lambda: config.set_logical_device_configuration(cpus[0], cpu_parts)))
    if settings.memory_limit_mb is not None:
        limit = config.LogicalDeviceConfiguration(memory_limit=settings.memory_limit_mb)
        gpu_parts = [limit] * (settings.logical_gpus or 1)
        steps.append(
            ("memory_limit_mb", lambda: [config.set_logical_device_configuration(gpu, gpu_parts) for gpu in used])
        )
    values: Sequence[tuple[str, Callable[[Any], Any]]] = (
        ("intra_op_threads", config.threading.set_intra_op_parallelism_threads),
        ("inter_op_threads", config.threading.set_inter_op_parallelism_threads),
        ("soft_placement", config.set_soft_device_placement),
        ("seed", _set_seed),
        ("mixed_precision", _set_policy),
    )
    for name, function in values:
        value = getattr(settings, name)
        if value is not None:
            steps.append((name, lambda function=function, value=value: function(value)))  # type: ignore[misc]
    if settings.deterministic:
        steps.append(("deterministic", config.experimental.enable_op_determinism))
    return steps


def _set_seed(seed: int) -> None:
    import keras

    keras.utils.set_random_seed(seed)


def _set_policy(policy: str) -> None:
    import keras

    keras.config.set_dtype_policy(policy)


def _report(tf: Any, settings: RuntimeSettings) -> RuntimeReport:
    import keras

    config = tf.config
    gpus = config.get_visible_devices("GPU")
    cpu = config.get_logical_device_configuration(config.list_physical_devices("CPU")[0]) or [None]
    parts = {_short(gpu.name): config.get_logical_device_configuration(gpu) or [None] for gpu in gpus}
    limits = {one.memory_limit for split in parts.values() for one in split if one is not None}
    # Counted, not asked for: asking would start the runtime.
    logical = [f"CPU:{index}" for index in range(len(cpu))]
    logical += [f"GPU:{index}" for index in range(sum(len(split) for split in parts.values()))]
    effective: dict[str, Any] = {
        "visible_gpus": [int(name.partition(":")[2]) for name in parts],
        "memory_growth": any(config.experimental.get_memory_growth(gpu) for gpu in gpus) if gpus else None,
        "memory_limit_mb": next(iter(limits), None),
        "logical_cpus": len(cpu),
        "logical_gpus": max((len(split) for split in parts.values()), default=0),
        "intra_op_threads": config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": config.threading.get_inter_op_parallelism_threads(),
        "soft_placement": config.get_soft_device_placement(),
        "mixed_precision": keras.config.dtype_policy().name,
        "deterministic": bool(settings.deterministic),
        "seed": settings.seed,
    }
    requested = {**dict.fromkeys(effective), **settings.as_json()}
    return RuntimeReport(physical_devices(), tuple(logical), requested, effective)


def _differing(before: RuntimeSettings, after: RuntimeSettings) -> str:
    names = [
        one.name
        for one in fields(before)
        if getattr(before, one.name) != getattr(after, one.name) and one.name != "seed"
    ]
    return ", ".join(f"{name} ({_text(getattr(before, name))})" for name in names)


def _short(name: str) -> str:
    """``GPU:0`` of ``/physical_device:GPU:0``."""
    return name.partition(":")[2]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "none"
    return str(value)
