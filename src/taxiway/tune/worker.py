"""One process of a study: ``python -m taxiway.tune.worker --study DIR``. It trains one trial after the other.

TensorFlow is imported once, before the first trial. Exits 0 when no trial is left, 3 when the study has ended in an
error, which stands in the study.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

from taxiway.errors import TaxiwayError
from taxiway.tune.pool import STUDY_ENDED
from taxiway.tune.work import work

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Work on a study until none of its trials is left."""
    parser = argparse.ArgumentParser(prog="python -m taxiway.tune.worker")
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--until", type=float)
    given = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        work(given.study, until=given.until, name=given.name, say=_say)
    except TaxiwayError as error:
        print(f"error: {error.message}", file=sys.stderr, flush=True)
        return STUDY_ENDED
    except Exception as error:  # noqa: BLE001 a full disk, a locked database: the one that started this decides
        traceback.print_exc()
        print(f"error: {type(error).__name__}: {str(error).partition(chr(10))[0]}", file=sys.stderr, flush=True)
        return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
