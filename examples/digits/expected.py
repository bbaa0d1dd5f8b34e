"""What Keras itself answers for the models of runs, on rows that none was trained on.

    python -m examples.digits.expected FILE.npz RUN [RUN …] --faulty FOLDER

The weights come from each run's newest checkpoint and not from the model that it exported, so that a server which
agrees with these answers has an export that is right. The file holds ``images``, ``labels``, and for the first run
``version_1``, for the second ``version_2``: probabilities (n, 10). With ``--faulty`` the last run's network is also
exported behind a step with a fault (``faulty.py``), which answers ``faulty``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from examples.digits.faulty import export_stretched
from examples.digits.job import build_model
from examples.digits.train import HELD_BACK, digits
from taxiway.errors import NotFound
from taxiway.train.checkpoints import newest, restore
from taxiway.train.runs import open_run


def trained(run: Path) -> keras.Model:
    """The network of a run with the weights of its newest checkpoint."""
    found = open_run(run)
    checkpoint = newest(found.path / "checkpoints")
    if checkpoint is None:
        raise NotFound(f"{run} has no checkpoint.")
    model = build_model(found.request.params)
    model.optimizer.build(model.trainable_variables)
    restore(checkpoint, [*model.variables, *model.optimizer.variables])
    return model


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--faulty", type=Path, help="export the last run's network with a fault here")
    arguments = parser.parse_args(argv)
    images, labels = digits()
    images, labels = images[:HELD_BACK], labels[:HELD_BACK]
    models = [trained(run) for run in arguments.runs]
    found: dict[str, Any] = {f"version_{number}": np.asarray(each(images)) for number, each in enumerate(models, 1)}
    if arguments.faulty:
        stretched = export_stretched(models[-1], arguments.faulty)
        found["faulty"] = np.asarray(stretched.serve(images)["probabilities"])
    np.savez(arguments.file, images=images, labels=labels, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
