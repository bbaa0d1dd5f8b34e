"""The Python client: ``taxiway.Client("http://…")`` or ``taxiway.Client("grpc://…")``. It needs no TensorFlow."""

from __future__ import annotations

from taxiway.client.answer import Answer, Metadata, VersionStatus
from taxiway.client.client import Client
from taxiway.client.feedback import Feedback, FeedbackCounts
from taxiway.client.tls import Tls

__all__ = ["Answer", "Client", "Feedback", "FeedbackCounts", "Metadata", "Tls", "VersionStatus"]
