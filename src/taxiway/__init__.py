"""Taxiway takes a TensorFlow or Keras model from trained to trusted.

    import taxiway

    version = taxiway.publish(model, "digits", store="models/", warm_up=x_train[:32])
    with taxiway.serve("models/") as server:
        answer = taxiway.Client(server.url).predict("digits", {"image": x_test[:3]})

Nothing below this module is imported before it is used: ``import taxiway`` costs a millisecond, and no TensorFlow.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import inspect

    from taxiway import browser, edge, errors, rollout
    from taxiway.client import Client
    from taxiway.client.operate import feedback, history, hold, release, rollback, status
    from taxiway.export import export
    from taxiway.load import bench
    from taxiway.publish import publish
    from taxiway.replay import replay
    from taxiway.serve.api import serve
    from taxiway.train import train
    from taxiway.tune import tune
    from taxiway.tune_serving import tune_serving

__all__ = [
    "Client",
    "__version__",
    "bench",
    "browser",
    "edge",
    "errors",
    "export",
    "feedback",
    "history",
    "hold",
    "publish",
    "release",
    "replay",
    "rollback",
    "rollout",
    "serve",
    "status",
    "train",
    "tune",
    "tune_serving",
]

__version__ = "0.1.0"

# A stage of a model's life is a package and the function that does it: `taxiway.serve` is both. Each of these
# packages holds a function of its own name.
_STAGES = frozenset({"export", "publish", "replay", "serve", "train", "tune", "tune_serving"})
_OPERATIONS = ("feedback", "history", "hold", "release", "rollback", "status")
_NAMES = {"Client": "taxiway.client", "bench": "taxiway.load", **dict.fromkeys(_OPERATIONS, "taxiway.client.operate")}
# A stage does not import what stands above it. What such a package brings is handed over by the call.
_HANDED_OVER = {
    "taxiway.serve": {"rollouts": "taxiway.rollout.controller:attach", "replays": "taxiway.replay.live:LiveReplays"}
}
_MODULES = frozenset({"browser", "edge", "errors", "rollout"})


class _Stage(ModuleType):
    """A package that can be called: the call goes to the function of its own name inside it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for name, path in _HANDED_OVER.get(self.__name__, {}).items():
            module, _, attribute = path.partition(":")
            kwargs.setdefault(name, getattr(importlib.import_module(module), attribute))
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        import inspect

        return inspect.signature(getattr(self, self.__name__.rpartition(".")[2]))


class _Package(ModuleType):
    """This module. Importing ``taxiway.serve.plan`` sets ``taxiway.serve`` to the package; it stays callable."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _STAGES and isinstance(value, ModuleType):
            value.__class__ = _Stage
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name in _STAGES or name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
