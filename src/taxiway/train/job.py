"""The job: what an engineer writes, found by name and checked before anything is started.

A job is a module, or any object, with

    build_model(params)   → a compiled keras.Model, or (model, what compile() is given)
    datasets(context)     → (training, validation); validation may be None

and, when it wants to, ``callbacks(context)`` → Keras callbacks, ``to_export(model, params)`` → what is exported and
how, ``data_fingerprint(params)`` → a text that changes with the data, and ``placement``, a table of layers' names and
devices or ``placement(params)`` → one.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from taxiway.errors import InvalidArgument, NotFound, TaxiwayError

__all__ = ["Job", "Telling", "first_line", "load_job", "name_of"]

_REQUIRED = ("build_model", "datasets")
_OPTIONAL = ("callbacks", "to_export", "data_fingerprint", "placement")
_HINT = "A job has build_model(params) and datasets(context); see docs/guides/train.md."


@dataclass(frozen=True)
class Job:
    """A job's functions.

    Attributes:
        name: as it was named.
        build_model: parameters to a model.
        datasets: a context to (training, validation).
        callbacks: a context to Keras callbacks, if the job has any.
        to_export: a trained model and the parameters to what is exported.
        data_fingerprint: parameters to a text, if the job knows its data better than its bytes say.
        placement: a table of layers' names and devices, or parameters to one, if the job has layers on devices.
        source: the file it was found in, when there is one.
    """

    name: str
    build_model: Callable[..., Any]
    datasets: Callable[..., Any]
    callbacks: Callable[..., Any] | None = None
    to_export: Callable[..., Any] | None = None
    data_fingerprint: Callable[..., Any] | None = None
    placement: Callable[..., Any] | Mapping[str, str] | None = None
    source: Path | None = None


def load_job(job: Any, directory: str | Path = ".") -> Job:
    """The job of that name, or of that object.

    Args:
        job: ``module:attribute``, ``module``, ``folder:module``, ``file.py`` or ``file.py:attribute``; or the object.
        directory: where relative paths and modules are looked for first.

    Raises:
        NotFound: there is no such module, folder or attribute.
        InvalidArgument: it cannot be imported, or what it names is no job.
    """
    if isinstance(job, str):
        return _checked(job, _found(job, Path(directory)))
    return _checked(getattr(job, "__name__", type(job).__name__), job)


def name_of(job: Any) -> str:
    """What runs of a job are called: the folder's name of ``examples/digits:job``, the attribute's otherwise."""
    if not isinstance(job, str):
        name: str = getattr(job, "__name__", type(job).__name__)
        return name.rpartition(".")[2].strip("_") or "job"
    place, _, attribute = job.partition(":")
    path = Path(place)
    stem = path.stem if path.suffix == ".py" else path.name.rpartition(".")[2] or path.resolve().name
    return stem if attribute in ("", "job") else attribute.rpartition(".")[2]


def _checked(name: str, thing: Any) -> Job:
    missing = [one for one in _REQUIRED if not hasattr(thing, one)]
    if missing:
        raise InvalidArgument(f"{name} is no job: it has no {' and no '.join(missing)}.", hint=_HINT)
    thing = thing() if isinstance(thing, type) else thing
    functions = {one: getattr(thing, one, None) for one in (*_REQUIRED, *_OPTIONAL)}
    for one, function in functions.items():
        if one == "placement" and isinstance(function, Mapping):
            continue
        if function is not None and not callable(function):
            raise InvalidArgument(f"{name}: {one} is a {type(function).__name__}, not a function.", hint=_HINT)
    code = getattr(functions["build_model"], "__code__", None)
    source = Path(code.co_filename) if code is not None else None
    return Job(name, source=source if source is not None and source.is_file() else None, **functions)  # type: ignore[arg-type]


def _found(name: str, directory: Path) -> Any:
    place, _, attribute = name.partition(":")
    path = directory / place
    if path.is_dir() and attribute:
        file = path / f"{attribute.partition('.')[0]}.py"
        if file.is_file():
            return _attribute(_module_of_file(file), attribute.partition(".")[2], name)
        if (path / "__init__.py").is_file():
            return _attribute(_module_of_file(path / "__init__.py"), attribute, name)
        raise NotFound(f"{place} has no module {attribute}: there is no {file}.", hint=_HINT)
    if place.endswith(".py"):
        if not path.is_file():
            raise NotFound(f"There is no file {path}.", hint=_HINT)
        return _attribute(_module_of_file(path), attribute, name)
    if "/" in place:
        raise NotFound(f"There is no folder {path}.", hint=_HINT)
    return _attribute(_module(place, directory), attribute, name)


def _module_of_file(file: Path) -> ModuleType:
    """The module of a file, imported as its packages name it, so that its relative imports work."""
    file = file.resolve()
    names = [] if file.stem == "__init__" else [file.stem]
    root = file.parent
    while (root / "__init__.py").is_file():
        names.insert(0, root.name)
        root = root.parent
    module = _module(".".join(names), root)
    if Path(module.__file__ or "").resolve() == file:
        return module
    return _module_beside(file)


def _module_beside(file: Path) -> ModuleType:
    """The module of a file whose name another module has."""
    name = f"taxiway_job_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise NotFound(f"{file} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with Telling(f"{file} cannot be imported"):
        spec.loader.exec_module(module)
    return module


def _module(name: str, root: Path) -> ModuleType:
    place = str(root.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise NotFound(f"There is no module {name} in {root.resolve()} or on Python's path.", hint=_HINT)
    with Telling(f"{name} cannot be imported"):
        return importlib.import_module(name)


def _attribute(module: ModuleType, path: str, name: str) -> Any:
    thing: Any = module
    for part in filter(None, path.split(".")):
        if not hasattr(thing, part):
            if hasattr(thing, "__path__") and importlib.util.find_spec(f"{thing.__name__}.{part}"):
                with Telling(f"{thing.__name__}.{part} cannot be imported"):
                    thing = importlib.import_module(f"{thing.__name__}.{part}")
                continue
            raise NotFound(f"{name}: {module.__name__} has no {part}.", hint=_HINT)
        thing = getattr(thing, part)
    return thing


class Telling:
    """Turns what a job's code raises into one sentence with the line of the job that it comes from.

    Args:
        what: the sentence's beginning, such as ``digits: build_model raised``.
        source: the job's file: of its lines the innermost is named; without it, the innermost line of all.
        kind: of the error.
    """

    def __init__(self, what: str, source: Path | None = None, kind: type[TaxiwayError] = InvalidArgument) -> None:
        self._what, self._source, self._kind = what, source, kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, Exception) or isinstance(error, TaxiwayError):
            return
        lines = [(frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(trace)]
        of_job = [one for one in lines if self._source is not None and Path(one[0]) == self._source]
        file, line = (of_job or lines)[-1]
        if isinstance(error, SyntaxError):
            file, line = error.filename or file, error.lineno or line
        told = f"{type(error).__name__}: {first_line(error)}".rstrip(" .:")
        raise self._kind(f"{self._what}: {told} ({file}:{line}).", hint=_HINT) from error


def first_line(error: BaseException) -> str:
    """What an error says first. TensorFlow repeats the program in front of it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0] == "in user code:":
        return next((line for line in lines[1:] if not line.startswith("File ") and "Error: " in line), lines[-1])
    return lines[0] if lines else ""
