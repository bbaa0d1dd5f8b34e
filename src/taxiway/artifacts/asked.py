"""Asking the original the rows that artefacts of it are compared on."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taxiway.artifacts.arrays import load, save
from taxiway.artifacts.rows import Rows, rows_of
from taxiway.artifacts.source import Source
from taxiway.artifacts.tokeniser import IDS
from taxiway.artifacts.workshop import Workshop
from taxiway.contract import Contract, too_few_rows
from taxiway.contract.agreement import Array
from taxiway.errors import FailedPrecondition, InvalidArgument, TaxiwayError
from taxiway.wire.signatures import Signature

__all__ = ["asked_original", "asked_rows"]


def asked_rows(
    workshop: Workshop,
    source: Source,
    signature: tuple[str, Signature],
    contract: Contract,
    data: Any,
    labels: Any,
    *,
    others: Collection[str] = (),
) -> Rows:
    """The rows that artefacts of ``source`` are compared on; ``data`` and ``labels`` as :func:`.rows.rows_of` has them.

    ``others`` are arrays that may be there as well: inputs of other signatures.

    Raises:
        NotFound, InvalidArgument: as there, or they cannot show what the contract asks for.
        FailedPrecondition: the tokeniser of a Keras file cannot be split off.
    """

    def translate(given: Any) -> Any:
        if isinstance(given, Mapping):
            given = {name: one for name, one in given.items() if name in signature[1].inputs or name not in others}
        return _numbers_of(source, workshop, given)

    recorded = source.directory if source.whole is None else source.whole[0]
    rows = rows_of(data, labels, signature, recorded, translate)
    _check_rows(contract, rows)
    return rows


def asked_original(
    workshop: Workshop, source: Source, signature: str, rows: Rows
) -> tuple[dict[str, Array], dict[str, Any]]:
    """The original's answers by output, and what :func:`.original.original` tells.

    Raises:
        FailedPrecondition: it cannot be asked these rows.
    """
    folder = Path(tempfile.mkdtemp(dir=workshop.folder))
    save(folder / "rows.npz", rows.inputs)
    try:
        told = workshop.ask(
            "original",
            saved_model=str(source.directory),
            signature=signature,
            rows=str(folder / "rows.npz"),
            out=str(folder / "answers.npz"),
        )
    except TaxiwayError as error:
        if error.kind != "UNKNOWN":
            raise
        line = next((line.strip() for line in error.message.splitlines() if line.strip()), "")
        raise FailedPrecondition(f"{source.said} cannot be asked these rows: {line[:300]}") from None
    return load(folder / "answers.npz"), told


def _check_rows(contract: Contract, rows: Rows) -> None:
    """Refuse rows that cannot show what a contract asks for.

    Raises:
        InvalidArgument: they are too few, or have no labels where the contract asks for accuracy.
    """
    if short := too_few_rows(contract, rows.count):
        raise InvalidArgument(
            f"{short[0].upper()}{short[1:]}.",
            hint="Give more rows with --data, or ask for less: --contract 'agreement>=0.9'.",
        )
    if contract.wants_labels and rows.labels is None:
        raise InvalidArgument(
            f"The contract asks for accuracy, and {rows.said} has no labels.",
            hint="--labels NAME, an array in the .npz",
        )


def _numbers_of(source: Source, workshop: Workshop, given: Any) -> Any:
    """Rows whose texts are numbers, where the tokeniser was split off; written down, it must make the same of them."""
    split = source.tokeniser
    if split is None:
        return given
    named = dict(given) if isinstance(given, Mapping) else {split.input: given}
    if split.input not in named:
        return given
    given_texts = np.asarray(named.pop(split.input), object).reshape(-1)
    texts = np.array([one.decode() if isinstance(one, bytes) else str(one) for one in given_texts])
    folder = Path(tempfile.mkdtemp(dir=workshop.folder))
    save(folder / "texts.npz", {"texts": texts})
    asked, answer = {"texts": str(folder / "texts.npz"), "out": str(folder / "ids.npz")}, folder / "ids.npz"
    if source.whole is None:
        workshop.ask("tokens", file=str(Path(source.said).absolute()), **asked)
    else:
        workshop.ask("tokens_of_graph", saved_model=str(source.whole[0]), signature=source.whole[1], **asked)
    ids = split.ids(texts)
    if not np.array_equal(ids, load(answer)[IDS]):
        raise FailedPrecondition("The tokeniser cannot be split off: it makes other numbers of these texts.")
    return {**named, IDS: ids}
