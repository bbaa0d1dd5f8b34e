"""The LiteRT file that a server may run in TensorFlow's place: held to the original's answers, and timed beside it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taxiway.artifacts import Rows, Source, Workshop, asked_original, load, rows_of, save, signature_of
from taxiway.contract import Contract, compare, judge
from taxiway.contract.bound import lower_bound
from taxiway.contract.noise import SMALLEST_TOLERANCE
from taxiway.edge.explain import explained
from taxiway.edge.unusual import KINDS, unlike
from taxiway.edge.variants import VARIANTS
from taxiway.errors import InvalidArgument, NotFound, TaxiwayError
from taxiway.stores.directory import local_files
from taxiway.types import JsonObject
from taxiway.wire import messages
from taxiway.wire.records import WARM_UP_FILE, write_records
from taxiway.wire.saved_model import LITERT_FILE, SAVED_MODEL_FILE, read_saved_model
from taxiway.wire.signatures import DEFAULT_SIGNATURE
from taxiway.wire.tensors import tensor_of

__all__ = ["litert_of"]

_CONFIDENCE = 0.95
_TIMED_ROWS = (1, 32)


@dataclass
class _Work:
    """What is known so far."""

    workshop: Workshop
    folder: Path
    source: Source
    rows: Mapping[str, Rows]
    evidence: dict[str, dict[str, Any]]
    made_with: dict[str, str] = field(default_factory=dict)
    repeats: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / LITERT_FILE


def litert_of(directory: Path, folder: Path, data: Any = None) -> JsonObject:
    """Make ``model.tflite`` of a SavedModel, with every signature that LiteRT answers like TensorFlow.

    Numbers stay as they are (``float32``): each row must be within what rounding explains, the noise that the original
    itself shows, and so must rows with a NaN, negated, and ten times as large. Then a server's two engines are timed
    beside each other.

    Args:
        directory: the SavedModel's.
        folder: where the file goes, when there is one.
        data: rows, as :func:`taxiway.edge.build` takes them, for every signature that they fit; the version's warm-up
            requests when None.

    Returns:
        The manifest's ``litert``: ``file`` (None when there is none), ``reason``, ``signatures``, ``made_with``.

    Raises:
        NotFound, InvalidArgument, DataLoss: ``data`` is not there, fits no signature, or there is nothing to compare.
    """
    if nothing := _nothing_to_make(directory):
        if data is not None:
            raise InvalidArgument(
                f"Rows are given to compare LiteRT's answers on, and no file is made of {directory}: {nothing}.",
                hint="Leave the rows out, and it is published as it is.",
            )
        return _without(nothing)
    source = Source(directory, directory.name, None, None, str(directory), directory)
    rows, evidence = _rows(source, data)
    if not rows:
        return _without(_first_reason(evidence), evidence)
    with Workshop() as workshop:
        work = _Work(workshop, Path(tempfile.mkdtemp(dir=workshop.folder)), source, rows, evidence)
        try:
            kept = _kept(work)
            if kept:
                _timed(work, kept)
        except TaxiwayError as error:  # of the original: it cannot be asked at all
            return _without(error.message, evidence)
        if not kept:
            return _without(_first_reason(evidence), evidence)
        shutil.copyfile(work.file, folder / LITERT_FILE)
        reason = f"it answers {', '.join(kept)} like the SavedModel"
        return {"file": LITERT_FILE, "reason": reason, "signatures": evidence, "made_with": work.made_with}


def _nothing_to_make(directory: Path) -> str:
    if not (directory / SAVED_MODEL_FILE).is_file():
        return "there is no SavedModel to make it of"
    return f"it brings a {LITERT_FILE} of its own" if (directory / LITERT_FILE).exists() else ""


def _without(reason: str, evidence: Mapping[str, Any] | None = None) -> JsonObject:
    return {"file": None, "reason": reason, "signatures": dict(evidence or {})}


def _first_reason(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    name = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in evidence else next(iter(evidence), "")
    return f"{name}: {evidence[name]['reason']}" if name else "it has no signature"


def _rows(source: Source, data: Any) -> tuple[dict[str, Rows], dict[str, dict[str, Any]]]:
    """The rows of each signature that has some, and why the others have none."""
    found: dict[str, Rows] = {}
    evidence: dict[str, dict[str, Any]] = {}
    wrong: TaxiwayError | None = None
    for name in read_saved_model(source.directory).signatures:
        try:
            signature = signature_of(source, name, "LiteRT")
        except TaxiwayError as error:
            evidence[name] = {"kept": False, "reason": error.message}
            continue
        try:
            found[name] = rows_of(data, None, (name, signature), source.directory)
        except (NotFound, InvalidArgument) as error:
            wrong = wrong or error
            evidence[name] = {"kept": False, "reason": error.message}
    if data is not None and not found and wrong is not None:
        raise wrong
    return found, evidence


def _kept(work: _Work) -> list[str]:
    """The signatures in the file at last: those that hold in a file with no others."""
    originals = {name: _original(work, name) for name in work.rows}
    names = [name for name in work.rows if _is_steady(work, name, originals[name][0])]
    while names:
        refused = _convert(work, names)
        if refused is None:
            held = [name for name in names if _holds(work, name, originals[name])]
            if held == names:
                return names
            names = held
            continue
        alone = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in names else names[0]
        said = refused if names == [alone] else f"the file could not be made with it: {refused}"
        for name in names if names == [alone] else [one for one in names if one != alone]:
            work.evidence[name] = {"kept": False, "reason": said}
        names = [] if names == [alone] else [alone]
    return names


def _original(work: _Work, name: str) -> tuple[dict[str, Any], float]:
    answers, told = asked_original(work.workshop, work.source, name, work.rows[name])
    work.made_with["tensorflow"] = str(told["tensorflow"])
    work.repeats[name] = float(told["repeats"])
    work.left_out[name] = int(told.get("left_out", 0))
    return answers, float(told["noise_floor"])


def _is_steady(work: _Work, name: str, answers: Mapping[str, Any]) -> bool:
    """Whether the original answers the same again: the noise of one that does not would excuse any answer."""
    if work.repeats[name] <= SMALLEST_TOLERANCE * compare(answers, answers).scale:
        return True
    work.evidence[name] = {"kept": False, "reason": "its answers to the same rows differ from call to call"}
    return False


def _convert(work: _Work, names: Sequence[str]) -> str | None:
    """Write the file; why it cannot be written, in one sentence."""
    kind = VARIANTS["float32"]
    try:
        told = work.workshop.ask(
            "convert", saved_model=str(work.source.directory), signatures=dict.fromkeys(names, ""), variant=kind.name,
            out=str(work.file),
        )  # fmt: skip
    except TaxiwayError as error:
        return explained(error.message, kind)
    work.made_with["converter"] = str(told["converter"])
    return None


def _holds(work: _Work, name: str, original: tuple[dict[str, Any], float]) -> bool:
    rows, (reference, noise_floor) = work.rows[name], original
    # As many rows as there are must agree; how much that shows stands in the reason.
    least = lower_bound(rows.count, rows.count, _CONFIDENCE)
    contract = Contract(min_agreement=least, confidence=_CONFIDENCE, max_difference=0.0)
    one: dict[str, Any] = {"kept": False, "reason": "", "rows": rows.count, "data": rows.said}
    work.evidence[name] = one
    try:
        agreement = compare(reference, _run(work, name, rows.inputs), confidence=_CONFIDENCE)
    except TaxiwayError as error:
        one["reason"] = explained(error.message, VARIANTS["float32"])
        return False
    judgement = judge(agreement, contract, noise_floor)
    one |= {"kept": judgement.kept, "reason": judgement.reason, "noise_floor": noise_floor,
            **({"left_out": work.left_out[name]} if work.left_out[name] else {}),
            "agreement": agreement.as_json()}  # fmt: skip
    if judgement.kept and (wrong := _unlike(work, name)):
        one |= {"kept": False, "reason": wrong}
    return bool(one["kept"])


def _run(work: _Work, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    asked, answer = work.folder / "rows.npz", work.folder / "answers.npz"
    save(asked, inputs)
    ran = work.workshop.ask("run", file=str(work.file), signature=name, rows=str(asked), out=str(answer))
    work.made_with["runtime"] = str(ran["runtime"])
    return load(answer)


def _unlike(work: _Work, name: str) -> str:
    """Why rows that nobody measured are answered otherwise; empty when they are not."""
    rows = work.rows[name]

    def ask(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        answers, told = asked_original(work.workshop, work.source, name, Rows(inputs, None, rows.said))
        return answers, float(told["noise_floor"])

    specs = read_saved_model(work.source.directory).signatures[name].inputs.values()
    batch = next((spec.shape[0] for spec in specs if spec.shape and spec.shape[0]), 1)
    try:
        return unlike(rows.inputs, batch, ask, lambda inputs: _run(work, name, inputs))
    except TaxiwayError as error:
        return f"{', '.join(KINDS)}: such rows LiteRT does not answer: {error.message}"


def _timed(work: _Work, kept: Sequence[str]) -> None:
    """Have a server's engines run the signatures, side by side."""
    version = Path(tempfile.mkdtemp(dir=work.folder))
    for name, path in local_files(work.source.directory):
        if name != WARM_UP_FILE:
            (version / name).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(path.absolute(), version / name)
    shutil.copyfile(work.file, version / LITERT_FILE)
    warm_up = version / WARM_UP_FILE
    warm_up.parent.mkdir(parents=True, exist_ok=True)
    write_records(warm_up, [_request(name, work.rows[name], count) for name in kept for count in _TIMED_ROWS])
    try:
        choice = work.workshop.ask("engines", directory=str(version))["choice"]
    except TaxiwayError as error:
        choice = {"why": f"it was not timed: {error.message}", "signatures": {}}
    for name in kept:
        measured = choice["signatures"].get(name, {"why": choice["why"]})
        figures = {key: measured[key] for key in ("tensorflow_us", "litert_us") if key in measured}
        work.evidence[name] |= {**figures, "speed": measured["why"]}


def _request(name: str, rows: Rows, count: int) -> bytes:
    log = messages.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = name
    for key, array in rows.inputs.items():
        request.inputs[key].CopyFrom(tensor_of(array[:count]))
    return bytes(log.SerializeToString())
