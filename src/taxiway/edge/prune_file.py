"""A Keras file → the same model with most weights zero, fine-tuned, and what that cost and saved."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.artifacts.rows import rows_of
from taxiway.artifacts.source import Source, signature_of
from taxiway.artifacts.workshop import Workshop
from taxiway.edge.pruning import Pruning, prunable, sparsity_of
from taxiway.errors import FailedPrecondition, InvalidArgument, NotFound
from taxiway.types import JsonObject
from taxiway.wire.signatures import DEFAULT_SIGNATURE
from taxiway.wire.tensors import Array

__all__ = ["FineTuning", "Pruned", "Side", "prune"]

_HELD_BACK = 5
_LEAST_ROWS = 10


@dataclass(frozen=True)
class FineTuning:
    """How the model trains while it is pruned: masks stay for the last two fifths of it.

    Attributes:
        epochs: how often it sees each row.
        batch_size: rows of a step.
        learning_rate: of Adam.
        seed: of the order of the rows.
    """

    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Side:
    """The model before or after.

    Attributes:
        file_bytes: of its LiteRT file, all numbers kept.
        gzip_bytes: of that file compressed, which is what travels.
        accuracy: on the rows held back; without labels, the part of them with the original's own top class, and None
            where there are no classes.
        loss: on the rows held back.
        sparsity: the part of the prunable weights that is zero.
    """

    file_bytes: int
    gzip_bytes: int
    accuracy: float | None
    loss: float
    sparsity: float


@dataclass(frozen=True)
class Pruned:
    """What pruning did. ``against`` says what accuracy is measured against; ``layers`` is each weight's sparsity."""

    out: str
    before: Side
    after: Side
    rows: int
    held_back: int
    against: str
    layers: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """For programs."""
        return asdict(self)


def prune(
    model: str | os.PathLike[str],
    *,
    data: Any,
    labels: Any = None,
    sparsity: float | None = None,
    pattern: str | None = None,
    skip: Collection[str] = (),
    out: str | os.PathLike[str] | None = None,
    fine_tuning: FineTuning | None = None,
    workshop: Workshop | None = None,
) -> Pruned:
    """Prune a Keras model while it is fine-tuned on real rows, and write it to a file of its own.

    A fifth of the rows is held back and never trained on. With labels the model learns these; without, its own former
    answers. Build the result as any other Keras file: ``taxiway edge build model-pruned.keras``.

    Args:
        model: a ``.keras`` or ``.h5`` file.
        data: real rows, as for :func:`taxiway.edge.build`.
        labels: the true classes, or what they are called in the ``.npz``.
        sparsity: the part of each kernel that becomes zero; see :func:`taxiway.edge.Pruning`.
        pattern: instead, ``2:4``.
        skip: names of layers that are left alone.
        out: the file, which must not be there; ``MODEL-pruned.keras`` beside the original when None.
        fine_tuning: how long it trains, and how.
        workshop: converts what is measured; one of its own when None.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: it is no Keras file, the rows do not fit or are too few, or a number makes no sense.
        FailedPrecondition: it answers more than one output, or training made its numbers NaN.
    """
    file = Path(model)
    callback = Pruning(sparsity, pattern=pattern, skip=skip)
    tuned = fine_tuning or FineTuning()
    if tuned.epochs < 1 or tuned.batch_size < 1 or not tuned.learning_rate > 0:
        raise InvalidArgument("Epochs, batch size and learning rate are above 0.")
    if data is None:
        raise InvalidArgument("There are no rows to fine-tune on.", hint="--data rows.npz, with labels if you can")
    target = _target(file, out)
    from taxiway.export import load_keras

    network = load_keras(file)
    weights = prunable(network, skip)
    with nullcontext(workshop) if workshop is not None else Workshop() as shop:
        folder = Path(tempfile.mkdtemp(dir=shop.folder))
        exported = folder / "before"
        before_bytes = _litert(shop, file, exported)
        source = Source(exported, file.stem, None, None, str(file), exported)
        rows = rows_of(data, labels, (DEFAULT_SIGNATURE, signature_of(source, DEFAULT_SIGNATURE, "LiteRT")), exported)
        if rows.count < _LEAST_ROWS:
            raise InvalidArgument(f"{rows.count} rows are too few to prune on.", hint=f"Give at least {_LEAST_ROWS}.")
        work = _Work(network, dict(rows.inputs), rows.labels, tuned.seed)
        before = work.measured()
        was = _mean_sparsity(weights)
        work.train(callback, tuned)
        after = work.measured()
        scratch = folder / "pruned.keras"
        network.save(scratch)
        after_bytes = _litert(shop, scratch, folder / "after")
        _moved(scratch, target)
    return Pruned(
        str(target), Side(*before_bytes, *before, was), Side(*after_bytes, *after, _mean_sparsity(weights)),
        len(work.trained), len(work.held), work.against, sparsity_of(weights),
    )  # fmt: skip


class _Work:
    """A model, rows to train on and rows held back, and what is to be answered."""

    def __init__(self, network: Any, inputs: dict[str, Array], labels: Array | None, seed: int) -> None:
        self._network, self._inputs = network, inputs
        answers = np.asarray(network.predict(self._fed(inputs), verbose=0)) if len(network.outputs) == 1 else None
        if answers is None:
            raise FailedPrecondition("The model has several outputs, and there is no telling what each is for.",
                                     hint="Train it yourself with taxiway.edge.Pruning as a callback.")  # fmt: skip
        self._wanted: Array = answers if labels is None else np.asarray(labels)
        self._classes = answers.ndim == 2 and answers.shape[1] > 1
        self._loss = self._chosen_loss(answers, labels)
        self.against = "labels" if labels is not None else "the original's own answers"
        order = np.random.default_rng(seed).permutation(len(answers))
        held = max(len(order) // _HELD_BACK, 1)
        self.held, self.trained = order[:held], order[held:]
        network.compile(loss=self._loss)

    def measured(self) -> tuple[float | None, float]:
        """Accuracy and loss on the rows held back."""
        given, wanted = self._picked(self.held)
        loss = float(self._network.evaluate(given, wanted, verbose=0))
        if not self._classes:
            return None, loss
        found = np.asarray(self._network.predict(given, verbose=0)).argmax(1)
        true = wanted.argmax(1) if wanted.ndim > 1 else wanted
        return float(np.mean(found == true)), loss

    def train(self, callback: Any, tuned: FineTuning) -> None:
        """Fine-tune while it is pruned."""
        import keras

        self._network.compile(keras.optimizers.Adam(tuned.learning_rate), loss=self._loss)
        given, wanted = self._picked(self.trained)
        history = self._network.fit(
            given, wanted, epochs=tuned.epochs, batch_size=tuned.batch_size, verbose=0, callbacks=[callback]
        ).history
        if not np.isfinite(history["loss"][-1]):
            raise FailedPrecondition("Training made the model's numbers NaN.", hint="A smaller --learning-rate.")

    def _chosen_loss(self, answers: Array, labels: Array | None) -> Any:
        import keras

        if labels is None or not self._classes or np.asarray(labels).dtype.kind not in "iu":
            return keras.losses.MeanSquaredError()
        low, high = int(np.min(labels)), int(np.max(labels))
        if low < 0 or high >= answers.shape[1]:
            raise InvalidArgument(f"The labels go from {low} to {high}, of {answers.shape[1]} classes.")
        sums = bool(np.all(answers >= 0) and np.allclose(answers.sum(1), 1, atol=1e-3))
        return keras.losses.SparseCategoricalCrossentropy(from_logits=not sums)

    def _picked(self, rows: Array) -> tuple[Any, Array]:
        return self._fed({name: one[rows] for name, one in self._inputs.items()}), self._wanted[rows]

    def _fed(self, inputs: dict[str, Array]) -> Any:
        return next(iter(inputs.values())) if len(inputs) == 1 else inputs


def _target(file: Path, out: str | os.PathLike[str] | None) -> Path:
    if not file.is_file():
        kind = InvalidArgument if file.is_dir() else NotFound
        raise kind(
            f"{file} is no Keras file.",
            hint="A SavedModel cannot be trained: give the .keras file that it was exported from.",
        )
    target = Path(out) if out is not None else file.with_name(f"{file.stem}-pruned.keras")
    if target.exists():
        raise InvalidArgument(f"{target} is there already.", hint="Give another --out.")
    if target.suffix != ".keras" or not target.parent.is_dir():
        raise InvalidArgument(f"{target} cannot be written.", hint="--out FILE.keras, in a directory that is there")
    return target


def _litert(workshop: Workshop, file: Path, exported: Path) -> tuple[int, int]:
    """The sizes of a Keras file's LiteRT file, bare and compressed."""
    lite = exported.with_suffix(".tflite")
    workshop.ask("keras", file=str(file.absolute()), out=str(exported))
    workshop.ask(
        "convert", saved_model=str(exported), signatures={DEFAULT_SIGNATURE: ""}, variant="float32", out=str(lite)
    )
    data = lite.read_bytes()
    return len(data), len(gzip.compress(data, 9, mtime=0))


def _mean_sparsity(weights: Any) -> float:
    sizes = [int(np.prod(one.shape)) for one in weights.values()]
    return float(np.average(list(sparsity_of(weights).values()), weights=sizes)) if sizes else 0.0


def _moved(source: Path, target: Path) -> None:
    beside = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, beside)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise FailedPrecondition(f"{target} cannot be written: {error.strerror or error}.") from None
