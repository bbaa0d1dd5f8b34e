"""What a ``ModelServerConfig`` asks for, and whether it may follow the one in force. Pure: no files, no clock.

The checks and their order are TensorFlow Serving's, except that all of them come before anything is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

from taxiway.errors import FailedPrecondition, InvalidArgument, Unimplemented
from taxiway.wire import message

__all__ = [
    "Available",
    "Logging",
    "ModelEntry",
    "VersionPolicy",
    "check_labels",
    "single_model_config",
    "transition",
]

Available = Mapping[str, AbstractSet[int]]
"""The versions of each model that answer requests."""

_URI_SCHEME = re.compile(r"[a-zA-Z][0-9a-zA-Z.]*://")


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions found are to serve: the newest ``count``, all, or those listed in ``versions``."""

    kind: Literal["latest", "all", "specific"] = "latest"
    count: int = 1
    versions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Logging:
    """Where a sample of a model's requests is written; ``rate`` is 0 to 1."""

    collector: str
    filename_prefix: str
    rate: float


@dataclass(frozen=True)
class ModelEntry:
    """One model of a config; ``labels`` maps a label to a version."""

    name: str
    base_path: str
    platform: str
    policy: VersionPolicy
    labels: Mapping[str, int]
    logging: Logging | None


def single_model_config(name: str, base_path: str) -> Any:
    """The ModelServerConfig that ``--model_name`` and ``--model_base_path`` stand for."""
    config = message("tensorflow.serving.ModelServerConfig")()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform="tensorflow")
    return config


def transition(
    old: tuple[ModelEntry, ...] | None, config: Any, platforms: Iterable[str]
) -> tuple[ModelEntry, ...] | None:
    """The models that ``config``, a ModelServerConfig, asks for, in its order.

    Args:
        old: the models in force; None before the first config that holds any.
        config: the config to go to.
        platforms: the platforms this server has.

    Returns:
        None for an empty config before any other: nothing to do yet.

    Raises:
        InvalidArgument, FailedPrecondition, Unimplemented: with TensorFlow Serving's texts.
    """
    kind = config.WhichOneof("config")
    if old is not None and kind != "model_config_list":
        raise FailedPrecondition(
            "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."
        )
    if kind is None:
        return None
    if kind == "custom_model_config":
        raise Unimplemented("ModelServer does not yet support custom model config.")
    models = config.model_config_list.config
    _check_list(models)
    _check_same_platforms(old or (), models)
    entries = tuple(_entry_of(model) for model in models)
    known = frozenset(platforms)
    for entry in entries:
        if entry.platform not in known:
            raise InvalidArgument(f"Model {entry.name} requests unsupported platform {entry.platform}")
    return entries


def _check_list(models: Iterable[Any]) -> None:
    names: set[str] = set()
    for model in models:
        if model.name in names:
            raise InvalidArgument(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
    for model in models:
        if not model.base_path.startswith("/") and not _URI_SCHEME.match(model.base_path):
            raise InvalidArgument(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )


def _check_same_platforms(old: Iterable[ModelEntry], models: Iterable[Any]) -> None:
    platforms = {entry.name: entry.platform for entry in old}
    for model in models:
        before = platforms.get(model.name)
        if before is not None and (now := _platform_of(model)) != before:
            raise InvalidArgument(
                f"Illegal to change a model's platform. For model {model.name} platform was {before} "
                f"and new platform requested is {now}"
            )


def _platform_of(model: Any) -> str:
    if model.model_type and model.model_platform:
        raise InvalidArgument(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            f"model name is {model.name}"
        )
    if model.model_type == 1:  # ModelType.TENSORFLOW
        return "tensorflow"
    if model.model_type:
        raise InvalidArgument(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
    if not model.model_platform:
        raise InvalidArgument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
            f"model name is {model.name}"
        )
    return str(model.model_platform)


def _entry_of(model: Any) -> ModelEntry:
    return ModelEntry(
        name=model.name,
        base_path=model.base_path,
        platform=_platform_of(model),
        policy=_policy_of(model.model_version_policy),
        labels=dict(model.version_labels),
        logging=_logging_of(model) if model.HasField("logging_config") else None,
    )


def _policy_of(policy: Any) -> VersionPolicy:
    kind = policy.WhichOneof("policy_choice")
    if kind == "specific":
        return VersionPolicy("specific", 0, tuple(policy.specific.versions))
    if kind == "all":
        return VersionPolicy("all", 0)
    return VersionPolicy("latest", max(policy.latest.num_versions, 1))


def _logging_of(model: Any) -> Logging:
    logging = model.logging_config
    rate = logging.sampling_config.sampling_rate
    if not 0 <= rate <= 1:
        raise InvalidArgument(f"sampling_rate of model {model.name} must be between 0 and 1; was {rate}")
    return Logging(logging.log_collector_config.type, logging.log_collector_config.filename_prefix, rate)


def check_labels(
    entries: Iterable[ModelEntry],
    available: Available,
    current: Mapping[str, Mapping[str, int]],
    allow_unavailable: bool,
) -> None:
    """Refuse a label that points to a version which does not serve.

    Args:
        entries: the models whose labels are to be set.
        available: the versions that serve now.
        current: the labels in force, by model.
        allow_unavailable: let a label through that no other version holds now.

    Raises:
        FailedPrecondition: with TensorFlow Serving's text.
    """
    for entry in entries:
        for label, version in sorted(entry.labels.items()):
            unused = current.get(entry.name, {}).get(label, version) == version
            if version not in available.get(entry.name, ()) and not (allow_unavailable and unused):
                raise FailedPrecondition(
                    f"Request to assign label to version {version} of model {entry.name}, "
                    "which is not currently available for inference"
                )
