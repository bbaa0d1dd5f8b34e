"""One rank: ``python -m taxiway.train.worker --run-dir DIR``, its place told by TF_CONFIG.

Exits 0 when done; otherwise with ``error: …`` and ``hint: …`` on standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path

from taxiway.errors import InvalidArgument, TaxiwayError, Unavailable

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Train as one rank."""
    parser = argparse.ArgumentParser(prog="python -m taxiway.train.worker")
    parser.add_argument("--run-dir", type=Path, required=True)
    run_dir = parser.parse_args(argv).run_dir
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from taxiway.train.job import first_line
    from taxiway.train.rank import take_part
    from taxiway.train.request import read_request

    try:
        request = read_request(run_dir)
        if not Path(request.directory).is_dir():
            request = replace(request, directory=os.getcwd())
        take_part(request, run_dir, _say)
    except TaxiwayError as error:
        if error.__cause__ is not None and not isinstance(error, Unavailable):
            # Of the job's own error, for the log; of a lost peer there is nothing more to know.
            traceback.print_exception(error.__cause__)
        _print_error(error.message, error.hint)
        return 2 if isinstance(error, InvalidArgument) else 1
    except Exception as error:  # noqa: BLE001 the job's own code may raise anything; its rank says what and where
        traceback.print_exc()
        _print_error(f"{type(error).__name__}: {first_line(error)}", None)
        return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _print_error(what: str, hint: str | None) -> None:
    print(f"error: {what}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
