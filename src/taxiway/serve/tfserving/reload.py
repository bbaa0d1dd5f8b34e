"""Going from one config to the next: at start, when the config file changed, and by HandleReloadConfigRequest.

All go through one lock, so that each sees the config the one before left. Everything that can be checked is checked
before anything changes. New models are loaded beside the old ones; only when they serve do the omitted ones go. So a
reload that fails leaves what served before untouched.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import DecodeError

from taxiway.errors import DeadlineExceeded, InvalidArgument, TaxiwayError
from taxiway.serve.tfserving.model_config import Available, ModelEntry, check_labels, transition
from taxiway.wire import message

__all__ = ["Policy", "Reloader", "Roster", "Unserved"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unserved:
    """A version that ended without ever serving, and why."""

    model: str
    version: int
    error: TaxiwayError

    def __str__(self) -> str:
        reason = f"{self.error.kind}: {self.error.message}"
        return f"{{{{name: {self.model} version: {self.version}}} due to error: {reason}}}, "


class Roster(Protocol):
    """The models of the control plane, as a reload needs them."""

    def want(self, models: tuple[ModelEntry, ...]) -> None:
        """Make these the desired models; omission means remove. Returns at once."""
        ...

    def wait(self, names: Iterable[str], timeout_seconds: float | None) -> list[Unserved] | None:
        """Wait until each named model has a version that serves, or has none left that may still come to serve.

        Returns:
            The newest version of each model that serves none; None when ``timeout_seconds`` passed first.
        """
        ...

    def available(self) -> Available:
        """The versions that answer requests now."""
        ...


@dataclass(frozen=True)
class Policy:
    """How reloads treat labels and failures; see ``--strict`` and ``--allow_version_labels_for_unavailable_models``."""

    strict: bool
    allow_labels_for_unavailable: bool
    timeout_seconds: float | None


class Reloader:
    """The config in force, and the only one to change it."""

    def __init__(self, roster: Roster, platforms: Iterable[str], policy: Policy) -> None:
        self._roster = roster
        self._platforms = frozenset(platforms)
        self._policy = policy
        self._lock = threading.Lock()
        self._models: tuple[ModelEntry, ...] | None = None

    @property
    def models(self) -> tuple[ModelEntry, ...]:
        """The models of the config in force."""
        return self._models or ()

    def start(self, models: tuple[ModelEntry, ...] | None) -> list[Unserved]:
        """Go to the first config and wait, without bound, until each model serves or will not.

        Returns:
            The models that do not serve. Their config is in force all the same.

        Raises:
            FailedPrecondition: a label, when labels are checked before loading (``strict``).
        """
        with self._lock:
            if models is None:
                log.info("Taking no action for empty config.")
                return []
            if self._policy.strict:
                check_labels(models, {}, {}, self._policy.allow_labels_for_unavailable)
            self._models = models
            self._roster.want(models)
            unserved = self._roster.wait([model.name for model in models], None) or []
            self._warn_of_labels(models)
            return unserved

    def reload(self, config: Any) -> None:
        """Go to ``config``, a ModelServerConfig, and wait for the models that are new in it.

        Raises:
            InvalidArgument, FailedPrecondition: the config may not follow the one in force; nothing was changed.
            TaxiwayError: UNKNOWN when new models did not come to serve, DEADLINE_EXCEEDED when they may yet but took
                too long. The config before is in force again, unless ``strict``.
        """
        with self._lock:
            models = transition(self._models, config, self._platforms)
            if models is None:
                log.info("Taking no action for empty config.")
                return
            old = {model.name: model for model in self._models or ()}
            new = tuple(model for model in models if model.name not in old)
            checked_first = models if self._policy.strict else [model for model in models if model.name in old]
            self._check_labels(checked_first)
            if self._policy.strict:
                self._models = models
                self._roster.want(models)
                self._wait_for(new)
                return
            self._bring_up(new)
            self._models = models
            self._roster.want(models)

    def _bring_up(self, new: tuple[ModelEntry, ...]) -> None:
        """Load ``new`` beside the models in force; put those back alone when it fails."""
        if not new:
            return
        before = self._models or ()
        self._roster.want(before + new)
        try:
            self._wait_for(new)
            self._check_labels(new)
        except TaxiwayError:
            self._roster.want(before)
            raise

    def _check_labels(self, models: Iterable[ModelEntry]) -> None:
        current = {model.name: model.labels for model in self._models or ()}
        check_labels(models, self._roster.available(), current, self._policy.allow_labels_for_unavailable)

    def _wait_for(self, models: tuple[ModelEntry, ...]) -> None:
        names = [model.name for model in models]
        unserved = self._roster.wait(names, self._policy.timeout_seconds)
        if unserved is None:
            raise DeadlineExceeded(
                f"{', '.join(names)} did not become available within {self._policy.timeout_seconds:g} seconds",
                hint="the models are as before; see --reload_timeout_seconds and --max_num_load_retries",
            )
        if unserved:
            raise TaxiwayError(did_not_become_available("model(s)", unserved))

    def _warn_of_labels(self, models: Iterable[ModelEntry]) -> None:
        available = self._roster.available()
        for model in models:
            for label, version in model.labels.items():
                if version not in available.get(model.name, ()):
                    log.warning(
                        "Label %s of model %s points to version %d, which does not serve yet.",
                        label,
                        model.name,
                        version,
                    )

    def handle(self, request: bytes, counters: Callable[[str], int] = lambda name: 0) -> bytes:
        """Answer HandleReloadConfigRequest.

        Args:
            request: a serialised ReloadConfigRequest.
            counters: the value of a counter by its name; 0 when there is none of that name.

        Returns:
            A serialised ReloadConfigResponse.

        Raises:
            TaxiwayError: what the call fails with.
        """
        try:
            asked = message("tensorflow.serving.ReloadConfigRequest").FromString(request)
        except DecodeError as error:
            raise InvalidArgument("The request is not a ReloadConfigRequest.") from error
        if asked.config.WhichOneof("config") != "model_config_list":
            raise InvalidArgument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        before = {name: counters(name) for name in asked.metric_names}
        try:
            self.reload(asked.config)
        except TaxiwayError as error:
            log.error("ReloadConfig failed: %s", error.message)
            raise
        response = message("tensorflow.serving.ReloadConfigResponse")()
        response.status.error_code = 0
        for name, value in before.items():
            response.metric.add(name=name, int64_value_increase=counters(name) - value)
        return bytes(response.SerializeToString())


def did_not_become_available(what: str, unserved: list[Unserved]) -> str:
    """TensorFlow Serving's sentence about models that do not serve; ``what`` is ``model(s)`` or ``servable(s)``."""
    return f"{len(unserved)} {what} did not become available: {{{''.join(map(str, unserved))}}}"
