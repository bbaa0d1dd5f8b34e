"""What Keras itself answers for the models of runs, on rows that none was trained on.

    python -m examples.digits.expected FILE.npz RUN [RUN …]

The weights come from each run's newest checkpoint and not from the model that it exported, so that a server which
agrees with these answers has an export that is right. The file holds ``images``, ``labels``, and for the first run
``version_1``, for the second ``version_2``: probabilities (n, 10).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.digits.job import build_model
from examples.digits.train import HELD_BACK, digits
from taxiway.errors import NotFound
from taxiway.train.checkpoints import newest, restore
from taxiway.train.runs import open_run


def answers(run: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probabilities that the model of a run gives, in Keras."""
    found = open_run(run)
    checkpoint = newest(found.path / "checkpoints")
    if checkpoint is None:
        raise NotFound(f"{run} has no checkpoint.")
    model = build_model(found.request.params)
    model.optimizer.build(model.trainable_variables)
    restore(checkpoint, [*model.variables, *model.optimizer.variables])
    return np.asarray(model(images))


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args(argv)
    images, labels = digits()
    images, labels = images[:HELD_BACK], labels[:HELD_BACK]
    found: dict[str, Any] = {
        f"version_{number}": answers(run, images) for number, run in enumerate(arguments.runs, start=1)
    }
    np.savez(arguments.file, images=images, labels=labels, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
