"""Draws docs/guides/training-curves.svg: the digits' job, really trained.

    python -m tools.training_picture

Not one of the files that ``tools/generate.py`` checks: another matplotlib draws other bytes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "guides" / "training-curves.svg"


def main() -> int:
    """Train and draw."""
    import taxiway

    with tempfile.TemporaryDirectory() as folder:
        run = taxiway.train(
            f"{ROOT / 'examples' / 'digits'}:job", epochs=20, params={"rate": 0.003}, run_dir=Path(folder) / "run",
            say=print,
        )  # fmt: skip
        shutil.copyfile(run.path / "curves.svg", PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
