"""The SavedModel that is converted: with every signature that the file is to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taxiway.artifacts.original import load_saved_model
from taxiway.edge.loops import has_loops, with_batch
from taxiway.edge.signatures import Served, served_of
from taxiway.wire.saved_model import SAVED_MODEL_FILE, read_saved_model
from taxiway.wire.signatures import Signature

__all__ = ["prepared"]


def prepared(saved_model: str, names: Sequence[str], batches: Sequence[int], folder: Path) -> tuple[str, list[Served]]:
    """A SavedModel with signatures, and each for fixed numbers of rows; itself where nothing has to be made.

    One that loops over a free number of rows, which LiteRT cannot, is for the smallest batch under its own name.

    Args:
        saved_model: the original's directory.
        names: of its signatures.
        batches: numbers of rows, rising; see :func:`.signatures.served_of`.
        folder: where it is made, and kept for the next time.

    Returns:
        The directory, and its signatures.

    Raises:
        TaxiwayError: as of :func:`.signatures.served_of`.
    """
    signatures = read_saved_model(saved_model).signatures
    served = served_of(signatures, names, batches)
    if (folder / SAVED_MODEL_FILE).is_file():
        return str(folder), served
    fixed = {one.key: one.batch or next(iter(batches), 1) for one in served if _may_be_fixed(one, signatures)}
    loops = _loops(saved_model, served, fixed, folder) if has_loops(saved_model) else {}
    if not loops and all(one.own for one in served):
        return saved_model, served
    loaded = load_saved_model(saved_model)
    made = {one.key: _function(loaded, one, loops.get(one.key)) for one in served}
    _save([loaded, *loops.values()], made, folder)
    return str(folder), served


def _may_be_fixed(one: Served, signatures: Mapping[str, Signature]) -> bool:
    inputs = signatures[one.of].inputs.values()
    return (one.key == one.of or not one.own) and all(spec.shape and spec.shape[0] is None for spec in inputs)


def _loops(saved_model: str, served: Sequence[Served], fixed: Mapping[str, int], folder: Path) -> dict[str, Any]:
    """By key, the loaded SavedModel that has the signature for a fixed number of rows, of those that loop."""
    found = {}
    for place, one in enumerate(served):
        own = f"{folder}-{place}"
        if one.key in fixed and with_batch(saved_model, one.of, fixed[one.key], own):
            found[one.key] = load_saved_model(own)
    return found


def _function(loaded: Any, one: Served, looped: Any) -> Any:
    if looped is not None:
        return looped.signatures[one.of]
    return loaded.signatures[one.key] if one.own else _fixed(loaded.signatures[one.of], one)


def _fixed(function: Any, one: Served) -> Any:
    import tensorflow as tf

    inputs = function.structured_input_signature[1]
    specs = {name: tf.TensorSpec([one.batch, *spec.shape[1:]], spec.dtype, name) for name, spec in inputs.items()}
    return tf.function(function).get_concrete_function(**specs)


def _save(loaded: Sequence[Any], functions: Mapping[str, Any], folder: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    # What the functions read must be reachable from what is saved.
    module.loaded = list(loaded)
    tf.saved_model.save(module, str(folder), signatures=dict(functions))
