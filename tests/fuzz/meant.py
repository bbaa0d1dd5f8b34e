"""Which server errors are meant: data, each with its reason. Every other one is a failure of the run."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["MEANT", "Meant", "is_meant"]

# gRPC's codes that say that the server, not the client, is at fault.
SERVER_CODES = frozenset({"UNKNOWN", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED"})

# How the statuses begin of what is no answer at all: ``reset, PROTOCOL_ERROR`` of a stream, ``connection reset``.
BROKEN = ("reset", "connection reset", "wrong HTTP/2")


@dataclass(frozen=True)
class Meant:
    """A server error that is right.

    Attributes:
        status: HTTP's number, gRPC's name of a code, or how a stream was reset.
        message: a regular expression that the whole message matches.
        reason: why it is right.
    """

    status: str
    message: str
    reason: str


MEANT: tuple[Meant, ...] = (
    Meant(
        "501",
        r"Conversion of JSON Value: (.|\n)* to type: (half|bfloat16|uint16|complex\d+|q.*)",
        "TensorFlow Serving's answer for element types that JSON has no form for",
    ),
    Meant(
        "501",
        r"Failed to write JSON value for tensor type: (half|bfloat16|uint16|complex\d+|q.*)",
        "the same, in answers",
    ),
    Meant("501", r"(TRACE|CONNECT) is not implemented", "TensorFlow Serving's for methods that its HTTP server lacks"),
    Meant("503", r"Model labels does not init yet\..*", "TensorFlow Serving's, until a label was ever set"),
    Meant("UNAVAILABLE", r"Model labels does not init yet\..*", "the same"),
    Meant("INTERNAL", r"the request does not parse: (.|\n)*", "what gRPC's own servers say of bytes that are no message"),
    Meant("INTERNAL", r"the request is not exactly one whole message", "gRPC's for a unary call of several or no messages"),
    Meant("INTERNAL", r"the message is compressed and does not say how", "gRPC's, word for its compression document"),
    Meant("INTERNAL", r"the message does not inflate: .*", "gRPC's for a compressed message that is not"),
    Meant("INTERNAL", r"the message's first byte says neither compressed nor not", "gRPC's for an unknown flag"),
    Meant("INTERNAL", r"the stream ends in a message", "gRPC's for half a message of a stream"),
    Meant("UNIMPLEMENTED", r"compression \".*\" is not known: use gzip", "gRPC's for an unknown compression"),
    Meant(
        "UNIMPLEMENTED",
        r"Unsupported signature method_name: (.|\n)*",
        "TensorFlow Serving's for tasks of MultiInference that neither classify nor regress",
    ),
    Meant("DEADLINE_EXCEEDED", r"Timed out waiting for notification", "the client's own deadline had passed; a hang is told otherwise"),
    Meant("UNIMPLEMENTED", r"/(.|\n)* is not served", "gRPC's for a method that is not there"),
    Meant("reset, PROTOCOL_ERROR", r"", "HTTP/2's for headers that are malformed, or a length that is not the body's"),
    Meant(
        "DEADLINE_EXCEEDED",
        r"fleeting did not become available within 1 seconds",
        "a reload of a model that is nowhere, given up after --reload_timeout_seconds",
    ),
    Meant(
        "UNKNOWN",
        r"\d+ model\(s\) did not become available: (.|\n)*",
        "TensorFlow Serving's for a reload whose new model does not load",
    ),
)  # fmt: skip


def is_meant(status: str, message: str) -> bool:
    """Whether an answer is no server error, or one that is meant."""
    is_http_error = status.isdigit() and int(status) >= 500
    if not is_http_error and status not in SERVER_CODES and not status.startswith(BROKEN):
        return True
    return any(rule.status == status and re.fullmatch(rule.message, message) for rule in MEANT)
