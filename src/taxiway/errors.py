"""Everything Taxiway raises on purpose, as one small tree.

    TaxiwayError                 something was asked for and could not be done
    ├── InvalidArgument          the request is wrong and will stay wrong        400
    ├── FailedPrecondition       wrong in this state of the server or the store  400
    ├── NotFound                 no such model, version, signature, file         404
    ├── AlreadyExists            it is there already                             409
    ├── Aborted                  someone else was faster                         409
    ├── PermissionDenied         not with these credentials                      403
    ├── Unauthenticated          no credentials                                  401
    ├── ResourceExhausted        over a limit                                    429
    ├── DeadlineExceeded         it took too long                                504
    ├── Unavailable              not now; the same call may work later           503
    ├── Unimplemented            not something this server or engine does        501
    ├── DataLoss                 bytes are not what they should be               500
    └── Internal                 a fault of ours                                 500

Each kind has the name, number and HTTP status of the gRPC code it stands for. Kinds without a class of their own
(CANCELLED, UNKNOWN, OUT_OF_RANGE) are told apart by :attr:`TaxiwayError.kind`.
"""

from __future__ import annotations

__all__ = [
    "Aborted",
    "AlreadyExists",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "ResourceExhausted",
    "TaxiwayError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "error_of_kind",
    "kind_of_code",
]

# kind: (gRPC code, HTTP status)
_CODES: dict[str, tuple[int, int]] = {
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}


class TaxiwayError(Exception):
    """Something was asked for and could not be done.

    Args:
        message: what happened, to what.
        hint: what to do about it; printed on a line of its own.
        kind: the gRPC code's name, for kinds without a class.
    """

    kind: str = "UNKNOWN"

    def __init__(self, message: str, *, hint: str | None = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if kind is not None:
            self.kind = kind

    @property
    def grpc_code(self) -> int:
        """The number gRPC and TensorFlow give this kind."""
        return _CODES[self.kind][0]

    @property
    def http_status(self) -> int:
        """The HTTP status this kind is answered with."""
        return _CODES[self.kind][1]


class InvalidArgument(TaxiwayError):
    """The request is wrong and will stay wrong."""

    kind = "INVALID_ARGUMENT"


class FailedPrecondition(TaxiwayError):
    """Wrong in this state of the server or the store."""

    kind = "FAILED_PRECONDITION"


class NotFound(TaxiwayError):
    """No such model, version, signature, or file."""

    kind = "NOT_FOUND"


class AlreadyExists(TaxiwayError):
    """It is there already."""

    kind = "ALREADY_EXISTS"


class Aborted(TaxiwayError):
    """Someone else was faster."""

    kind = "ABORTED"


class PermissionDenied(TaxiwayError):
    """Not with these credentials."""

    kind = "PERMISSION_DENIED"


class Unauthenticated(TaxiwayError):
    """No credentials."""

    kind = "UNAUTHENTICATED"


class ResourceExhausted(TaxiwayError):
    """Over a limit."""

    kind = "RESOURCE_EXHAUSTED"


class DeadlineExceeded(TaxiwayError):
    """It took too long."""

    kind = "DEADLINE_EXCEEDED"


class Unavailable(TaxiwayError):
    """Not now; the same call may work later."""

    kind = "UNAVAILABLE"


class Unimplemented(TaxiwayError):
    """Not something this server or engine does."""

    kind = "UNIMPLEMENTED"


class DataLoss(TaxiwayError):
    """Bytes are not what they should be."""

    kind = "DATA_LOSS"


class Internal(TaxiwayError):
    """A fault of ours."""

    kind = "INTERNAL"


_BY_KIND = {cls.kind: cls for cls in TaxiwayError.__subclasses__()}
_BY_CODE = {code: kind for kind, (code, _) in _CODES.items()}
# Several kinds share a status; a bare status means the first of them, the most common one.
_BY_STATUS = {status: kind for kind, (_, status) in reversed(_CODES.items()) if kind not in {"UNKNOWN", "DATA_LOSS"}}


def error_of_kind(kind: str | int, message: str, *, http: bool = False) -> TaxiwayError:
    """The exception for a kind.

    Args:
        kind: a gRPC code's name or number, or an HTTP status when ``http`` is set.
        message: what happened, to what.
        http: whether ``kind`` is an HTTP status.

    Returns:
        The subclass for the kind; a plain :class:`TaxiwayError` when there is none.
    """
    if isinstance(kind, int):
        kind = (_BY_STATUS if http else _BY_CODE).get(kind, "UNKNOWN")
    if kind not in _CODES:
        kind = "UNKNOWN"
    return _BY_KIND.get(kind, TaxiwayError)(message, kind=kind)


def kind_of_code(code: int) -> str:
    """The name of a gRPC code's number; ``OK`` of 0, ``UNKNOWN`` of a number that is none."""
    return "OK" if code == 0 else _BY_CODE.get(code, "UNKNOWN")
