"""docs/reference/errors.md, from the tree of exceptions."""

from __future__ import annotations

from taxiway.errors import TaxiwayError

PAGE = """\
# Errors

Generated from `src/taxiway/errors.py`; do not edit.

Everything Taxiway raises on purpose is a `taxiway.errors.TaxiwayError`: `message` says what happened, to what; `hint`
what to do about it; `kind` is the gRPC code's name. The command line prints `error: …` and `hint: …` on standard error
and exits with 2 for INVALID_ARGUMENT, with 1 for the others. CANCELLED, UNKNOWN and OUT_OF_RANGE have no class.

| class | kind | gRPC | HTTP | meaning |
|---|---|---|---|---|
"""


def render() -> str:
    """The whole page."""
    rows = [
        f"| `{kind.__name__}` | {kind.kind} | {error.grpc_code} | {error.http_status} | {_sentence(kind)} |\n"
        for kind in TaxiwayError.__subclasses__()
        for error in [kind("")]
    ]
    return PAGE + "".join(rows)


def _sentence(kind: type[TaxiwayError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]
