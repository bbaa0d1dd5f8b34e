"""Pruning a real model on real digits: the callback, and the command that reports what it cost."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taxiway.artifacts.workshop import Workshop
from taxiway.cli.main import main
from taxiway.edge import FineTuning, Pruning, prune
from taxiway.edge.pruning import prunable, sparsity_of
from taxiway.errors import InvalidArgument, NotFound

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytest.importorskip("ai_edge_litert")
pytestmark = [pytest.mark.tensorflow, pytest.mark.litert]


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return {"image": (images / 16).astype(np.float32), "labels": labels.astype(np.int64)}


@pytest.fixture(scope="module")
def trained(rows: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(1)
    image = keras.Input((64,), name="image")
    features = keras.layers.Dense(128, "relu", name="hidden")(image)
    model = keras.Model(image, keras.layers.Dense(10, "softmax", name="probabilities")(features))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(rows["image"], rows["labels"], epochs=8, verbose=0)
    path = tmp_path_factory.mktemp("trained") / "digits.keras"
    model.save(path)
    np.savez(path.with_name("rows.npz"), **rows)
    return path


def small(rows: dict[str, Any], callback: Any, **fit: Any) -> Any:
    """A model that was fitted with a callback."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, "relu", name="first"), keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(rows["image"][:320], rows["labels"][:320], verbose=0, callbacks=[callback], **fit)
    return model


def test_masks_grow_by_the_schedule_and_stay_on(rows: dict[str, Any]) -> None:
    seen: list[float] = []

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def look(batch: int, logs: Any) -> None:
        seen.append(min(sparsity_of(prunable(model)).values()))

    callbacks = [Pruning(0.75, begin_step=4, every=2), keras.callbacks.LambdaCallback(on_train_batch_end=look)]
    model.fit(rows["image"][:320], rows["labels"][:320], epochs=2, verbose=0, callbacks=callbacks)
    assert len(seen) == 20 and seen[:4] == [0.0] * 4
    assert all(b >= a for a, b in itertools.pairwise(seen)), "a weight that was pruned came back"
    assert seen[11:] == [0.75] * 9, "after 60 % of the batches the masks stay, and so do the zeros"
    assert all(value.shape[-1:] == (10,) or value.shape[-1:] == (16,) for value in prunable(model).values())


def test_a_pattern_and_a_skipped_layer(rows: dict[str, Any]) -> None:
    model = small(rows, Pruning(pattern="2:4", skip=["first"], every=1), epochs=1)
    (_, kernel), *others = prunable(model, ["first"]).items()
    assert not others
    assert np.all((np.asarray(kernel).reshape(4, 4, 10) != 0).sum(1) == 2)
    assert np.mean(np.asarray(model.get_layer("first").kernel) == 0) == 0


def test_what_makes_no_sense_is_said_before_training(rows: dict[str, Any]) -> None:
    for call, text in [
        (Pruning, "Say the sparsity or the pattern"),
        (lambda: Pruning(0.5, pattern="2:4"), "Say the sparsity or the pattern"),
        (lambda: Pruning(1.5), "1.5 is no sparsity"),
        (lambda: Pruning(0.5, every=0), "0 batches between two masks"),
        (lambda: Pruning(pattern="5:4"), "is no pattern"),
        (lambda: Pruning(0.5, begin_step=9, end_step=-2), "cannot go from step"),
        (lambda: small(rows, Pruning(0.5, skip=["other"])), "has no layer other"),
    ]:
        with pytest.raises(InvalidArgument, match=text):
            call()  # type: ignore[no-untyped-call]


def test_the_command_reports_compressed_size_and_accuracy(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.keras"
    call = ["edge", "prune", str(trained), "--sparsity", "0.8", "--data", str(trained.with_name("rows.npz"))]
    assert main([*call, "--out", str(out), "--epochs", "5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    before, after = document["before"], document["after"]
    assert before["sparsity"] < 0.01 and after["sparsity"] == pytest.approx(0.8, abs=0.01)
    assert after["file_bytes"] == before["file_bytes"] and after["gzip_bytes"] < 0.45 * before["gzip_bytes"]
    assert before["accuracy"] > 0.93 and after["accuracy"] > before["accuracy"] - 0.05
    assert (document["rows"], document["held_back"], document["against"]) == (1438, 359, "labels")
    # What is in the file is what was measured.
    kept = sparsity_of(prunable(keras.saving.load_model(out)))
    assert list(kept.values()) == pytest.approx(list(document["layers"].values()))
    assert main([*call, "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_bad_files_and_rows_are_refused_and_nothing_is_written(
    trained: Path, rows: dict[str, Any], tmp_path: Path, workshop: Workshop
) -> None:
    image, labels = rows["image"], rows["labels"]
    out = tmp_path / "out.keras"
    (tmp_path / "saved").mkdir()
    for model, data, options, kind, text in [
        (tmp_path / "none.keras", image, {}, NotFound, "is no Keras file"),
        (tmp_path / "saved", image, {}, InvalidArgument, "is no Keras file"),
        (trained, None, {}, InvalidArgument, "no rows to fine-tune on"),
        (trained, image, {"labels": labels, "fine_tuning": FineTuning(epochs=0)}, InvalidArgument, "are above 0"),
        (trained, image, {"labels": labels + 5}, InvalidArgument, "The labels go from 5 to 14"),
        (trained, image[:5], {}, InvalidArgument, "5 rows are too few"),
        (trained, image, {"skip": ["nope"]}, InvalidArgument, "has no layer nope"),
        (trained, image, {"out": tmp_path / "no" / "x.keras"}, InvalidArgument, "cannot be written"),
    ]:
        with pytest.raises(kind, match=text) as raised:
            prune(model, data=data, sparsity=0.5, workshop=workshop, **{"out": out, **options})
        assert raised.value.hint or "labels" in text or "above" in text
    assert not out.exists()


def test_without_labels_the_model_learns_its_own_answers(
    trained: Path, rows: dict[str, Any], tmp_path: Path, workshop: Workshop
) -> None:
    pruned = prune(
        trained,
        data=rows["image"],
        pattern="2:4",
        fine_tuning=FineTuning(epochs=1),
        out=tmp_path / "out.keras",
        workshop=workshop,
    )
    assert pruned.against == "the original's own answers"
    assert pruned.before.accuracy == 1.0 and pruned.before.loss == pytest.approx(0, abs=1e-9)
    assert pruned.after.accuracy is not None and pruned.after.accuracy > 0.9
    assert pruned.after.sparsity == pytest.approx(0.5, abs=0.02)
