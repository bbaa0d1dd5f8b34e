"""The Python client: ``taxiway.Client("http://…")`` or ``taxiway.Client("grpc://…")``. It needs no TensorFlow.

What operators ask of a server is here too; that needs no numbers, which are imported when the first name asks for them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taxiway.client.admin import Admin
    from taxiway.client.answer import Answer, Metadata, VersionStatus
    from taxiway.client.client import Client
    from taxiway.client.feedback import Feedback, FeedbackCounts
    from taxiway.client.tls import Tls

__all__ = ["Admin", "Answer", "Client", "Feedback", "FeedbackCounts", "Metadata", "Tls", "VersionStatus"]

_NAMES = {
    "Admin": "admin",
    "Answer": "answer",
    "Client": "client",
    "Feedback": "feedback",
    "FeedbackCounts": "feedback",
    "Metadata": "answer",
    "Tls": "tls",
    "VersionStatus": "answer",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
