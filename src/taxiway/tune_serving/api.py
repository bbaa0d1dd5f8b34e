"""The search."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from taxiway.client.transport import Target
from taxiway.clock import Clock, SystemClock
from taxiway.errors import NotFound
from taxiway.load.requests import Asked, prepare, signature_named
from taxiway.settings import read_settings
from taxiway.settings.write import changed
from taxiway.tune_serving.candidate import Candidate
from taxiway.tune_serving.options import Options, options_of
from taxiway.tune_serving.place import Placed, placed
from taxiway.tune_serving.report import TunedServing
from taxiway.tune_serving.search import Choice, choose
from taxiway.tune_serving.trials import Trials
from taxiway.wire.saved_model import SAVED_MODEL_FILE, read_saved_model
from taxiway.wire.signatures import DEFAULT_SIGNATURE

__all__ = ["tune_serving"]

# Whoever differs so much from itself cannot be told from another.
_TOO_NOISY = 0.3

PathLike = str | os.PathLike[str]


def tune_serving(
    model: PathLike,
    data: Any = None,
    *,
    store: PathLike = "models/",
    write: PathLike | None = None,
    say: Callable[[str], None] | None = None,
    clock: Clock | None = None,
    **options: Any,
) -> TunedServing:
    """Try engines, batching and threads on a model, each on a real server of this machine under load.

        found = taxiway.tune_serving("digits", x_test, store="models/", latency_ms=5, write="taxiway.toml")
        found.best, found.gain, found.choice.because

    Ctrl-C ends it early, with what was measured so far; nothing is written then.

    Args:
        model: a version's directory, a directory of versions, or ``MODEL`` or ``MODEL:VERSION`` in ``store``.
        data: inputs of many rows, or the path of recorded requests; made up from the signature when None.
        store: where a model that is only named is.
        write: a ``taxiway.toml`` that gets the best settings; what else it says stays as it is.
        say: told in a line what is done next.
        clock: tells the time.
        options: any field of :class:`taxiway.tune_serving.options.Options` by its name.

    Returns:
        All trials, the best one, and why it is.

    Raises:
        NotFound: there is no such model, or no recording.
        InvalidArgument: an option is out of its range, or the inputs do not fit.
        FailedPrecondition: the model does not load, or the file cannot be changed without rewriting it.
    """
    bounds, file = options_of(options), Path(write) if write is not None else None
    if file is not None:
        # Not after minutes of measuring.
        _text(file)
    tell = say or (lambda _: None)
    place = placed(
        os.fspath(model), store, bounds.engines, data, say=tell, check=lambda there: _check(there, data, bounds)
    )
    with place as there, tempfile.TemporaryDirectory(prefix="taxiway-tune-") as folder:
        if file is not None:
            _with_settings(file, there, Candidate(there.engines[0]))
        trials = Trials(there, data, bounds, Path(folder), clock=clock or SystemClock(), say=tell)
        trials.run()
        choice = choose(trials.done, bounds.target)
        written, best = None, choice.best.candidate if choice.best is not None else None
        if file is not None and best is not None and not trials.interrupted:
            file.write_text(_with_settings(file, there, best), encoding="utf-8")
            written = str(file)
        return TunedServing(
            there.name, there.version, bounds.target, trials.requests, tuple(trials.done), choice,
            tuple(_notes(there, trials, choice)), written, trials.interrupted,
            _model_settings(there, best) if best is not None else {},
        )  # fmt: skip


def _check(version: Path, data: Any, options: Options) -> None:
    """Refuse inputs that do not fit, not after a file was made and a server started.

    Raises:
        InvalidArgument: they fit no signature.
        NotFound: there is no such recording, or no request in it.
    """
    if data is None or not (version / SAVED_MODEL_FILE).is_file():
        # What a LiteRT file alone takes is known to the server that runs it.
        return
    name = options.signature or DEFAULT_SIGNATURE
    found = signature_named(read_saved_model(version).signatures, name, version.name, data)
    prepare(Asked(Target(version.name), name, found, options.protocol), data, options.rows)


def _notes(there: Placed, trials: Trials, choice: Choice) -> Iterator[str]:
    best, noise = choice.best, choice.noise
    cores = os.cpu_count() or 1
    yield f"server and generator shared this machine's {cores} core{'' if cores == 1 else 's'}; tune where you serve"
    if noise > _TOO_NOISY:
        yield f"the same settings differed by {noise:.0%} from round to round: tune when this machine is quieter"
    if trials.skipped:
        yield f"{trials.skipped} settings were not tried for lack of time: a longer --budget tries them"
    yield from there.notes
    if best is not None and best.candidate.engine == "litert" and there.has_graph:
        yield (
            'the settings say engine = "auto" for LiteRT: signatures and versions that model.tflite lacks stay with '
            "TensorFlow"
        )
    if trials.interrupted:
        yield "interrupted: nothing was measured again, so a small difference may be noise"


def _text(file: Path) -> str:
    """The file's text; empty when it is not there.

    Raises:
        NotFound: its directory is not there.
        InvalidArgument: it is no ``taxiway.toml``.
    """
    if not file.exists():
        if not file.absolute().parent.is_dir():
            raise NotFound(f"There is no directory {file.parent} for {file.name}.")
        return ""
    read_settings(file, environ={})
    return file.read_text(encoding="utf-8")


def _with_settings(file: Path, there: Placed, candidate: Candidate) -> str:
    """The file's text with a candidate's settings: all of the model's, and the server's where they are not default."""
    text = _text(file)
    known = read_settings(file, environ={}) if text else None
    server = {
        name: value
        for name, value in candidate.all_server().items()
        if value or (known is not None and getattr(known.server, name))
    }
    if server:
        text = changed(text, ("server",), server)
    section = _model_settings(there, candidate)
    if (known is None or there.name not in known.models) and there.source:
        is_url = "://" in there.source
        source = there.source if is_url else os.path.relpath(there.source, file.absolute().parent)
        section = {"source": source, **section}
    return changed(text, ("models", there.name), section)


def _model_settings(there: Placed, candidate: Candidate) -> dict[str, Any]:
    """What ``[models.NAME]`` says for a candidate."""
    section: dict[str, Any] = candidate.all_model()
    if candidate.engine == "litert" and there.has_graph:
        # Only auto serves the signatures that the file lacks, and the next version when it has no file.
        section["engine"] = "auto"
    return section
