"""Reading settings. What is said last counts: defaults, taxiway.toml, the environment, the command line."""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from taxiway.errors import InvalidArgument, NotFound
from taxiway.settings.table import (
    AT_ONCE,
    BATCHING_WORDS,
    LATEST,
    Batching,
    ModelSettings,
    Policy,
    Row,
    ServerSettings,
    Settings,
    Takeover,
    rows,
)

__all__ = ["read_settings"]

_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def read_settings(
    file: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    server: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
) -> Settings:
    """All settings.

    Args:
        file: a TOML file; None reads none. Its relative paths are relative to its own directory.
        environ: the environment; None is the process's.
        server, defaults, models: what the command line or a caller says; it counts most.

    Raises:
        NotFound: no such file.
        InvalidArgument: an unknown key (the hint names the nearest known one), or a value of the wrong kind.
    """
    environ = os.environ if environ is None else environ
    document = _read_file(Path(file)) if file is not None else {}
    where = str(file)
    _refuse_unknown(document, ("server", "defaults", "models"), where)
    for name in ("server", "defaults", "models"):
        _require_table(document.get(name, {}), f"[{name}] in {where}")
    server_values = {
        **_checked(document.get("server", {}), rows("server"), f"[server] in {where}"),
        **_from_environment(rows("server"), environ),
        **_checked(server or {}, rows("server"), "the command line"),
    }
    shared = _checked(document.get("defaults", {}), rows("defaults"), f"[defaults] in {where}")
    over = {
        **_from_environment(rows("defaults"), environ),
        **_checked(defaults or {}, rows("defaults"), "the command line"),
    }
    said = {name: _model(name, body, where) for name, body in document.get("models", {}).items()}
    for name, body in (models or {}).items():
        said[name] = {**said.get(name, {}), **_checked(body, rows("defaults"), f"model {name}")}
    base = Path(file).absolute().parent if file is not None else Path.cwd()
    built = {name: ModelSettings(**_rooted({**shared, **own, **over}, base)) for name, own in said.items()}
    for name, model in built.items():
        if not model.source:
            raise InvalidArgument(f"model {name} has no source", hint='add source = "DIRECTORY" to its section')
    if file is not None and "state" in document.get("server", {}) and "TAXIWAY_STATE" not in environ:
        server_values = _rooted_state(server_values, server or {}, base)
    return Settings(ServerSettings(**server_values), ModelSettings(**{**shared, **over}), built)


def _read_file(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        return document
    except FileNotFoundError:
        raise NotFound(f"no such file: {file}", hint="--config takes a taxiway.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file} is not TOML: {error}") from None
    except OSError as error:
        raise InvalidArgument(f"cannot read {file}: {error.strerror}") from None


def _model(name: str, body: Any, where: str) -> dict[str, Any]:
    if not name or "/" in name or ":" in name:
        raise InvalidArgument(f"a model cannot be called {name!r} ({where})", hint="no slash, no colon, not empty")
    _require_table(body, f"[models.{name}] in {where}")
    return _checked(body, rows("defaults"), f"[models.{name}] in {where}")


def _require_table(value: Any, what: str) -> None:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what} is not a table")


def _refuse_unknown(document: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = list(known)
    for key in document:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0)
            raise InvalidArgument(f"unknown key {key!r} in {where}", hint=f"did you mean {near[0]!r}?")


def _checked(values: Mapping[str, Any], table: Mapping[str, Row], where: str) -> dict[str, Any]:
    _refuse_unknown(values, table, where)
    return {name: _value(value, table[name], where) for name, value in values.items()}


def _from_environment(table: Mapping[str, Row], environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: _value(_from_text(environ[row.environment], row), row, f"the variable {row.environment}")
        for name, row in table.items()
        if row.environment and row.environment in environ
    }


def _from_text(text: str, row: Row) -> Any:
    """The TOML value that ``text`` stands for; text that is none of the row's type is returned as it is."""
    try:
        if row.type is bool:
            return _TRUTH[text.lower()]
        if row.type in (int, float):
            return row.type(text)
        if row.type is Policy and text not in ("latest", "all"):
            return [int(part) for part in text.split(",")]
        if row.type == tuple[str, ...]:
            return [part for part in text.split(",") if part]
    except (KeyError, ValueError):
        pass
    return text


def _value(value: Any, row: Row, where: str) -> Any:
    """``value`` as the row's type; InvalidArgument when it is none."""
    checked = _typed(value, row)
    if checked is None:
        raise InvalidArgument(f"{row.name} in {where} cannot be {value!r}", hint=row.sentence)
    if row.least is not None and checked < row.least:
        raise InvalidArgument(f"{row.name} in {where} is {value}, but {row.least:g} is the least", hint=row.sentence)
    if row.most is not None and checked > row.most:
        raise InvalidArgument(f"{row.name} in {where} is {value}, but {row.most:g} is the most", hint=row.sentence)
    if row.choices and checked not in row.choices:
        raise InvalidArgument(f"{row.name} in {where} cannot be {value!r}", hint=f"one of {', '.join(row.choices)}")
    return checked


def _typed(value: Any, row: Row) -> Any:
    if row.type is Policy:
        return _policy(value)
    if row.type is Batching:
        return _batching(value)
    if row.type is Takeover:
        return _takeover(value)
    if row.type == tuple[str, ...]:
        texts = isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value)
        return tuple(value) if texts else None
    if row.name == "labels":
        good = isinstance(value, dict) and all(_is_int(number) for number in value.values())
        return dict(value) if good else None
    if row.type is float:
        return float(value) if _is_int(value) or isinstance(value, float) else None
    if row.type is int:
        return value if _is_int(value) else None
    return value if isinstance(value, row.type) else None


def _policy(value: Any) -> Policy | None:
    if isinstance(value, Policy):
        return value
    if value == "latest":
        return LATEST
    if value == "all":
        return Policy(latest=None)
    if isinstance(value, (list, tuple)) and all(map(_is_int, value)):
        return Policy(latest=None, numbers=tuple(value))
    if isinstance(value, dict) and set(value) == {"latest"} and _is_int(value["latest"]):
        return Policy(latest=max(value["latest"], 1))
    return None


def _batching(value: Any) -> Batching | None:
    if isinstance(value, Batching):
        return value
    if isinstance(value, str):
        return BATCHING_WORDS.get(value)
    known = {field.name for field in dataclasses.fields(Batching)} - {"auto"}
    if not isinstance(value, dict) or not set(value) <= known:
        return None
    sizes = value.get("allowed_batch_sizes", ())
    good = isinstance(sizes, (list, tuple)) and all(_is_int(size) and size > 0 for size in sizes)
    for name, given in value.items():
        if name != "allowed_batch_sizes":
            kind = type(getattr(Batching(), name))
            good = good and (isinstance(given, bool) if kind is bool else _is_int(given) and given >= 0)
    return Batching(**{**value, "allowed_batch_sizes": tuple(sizes)}) if good and value.get("max_batch_size") else None


def _takeover(value: Any) -> Takeover | None:
    if isinstance(value, Takeover):
        return value
    if isinstance(value, dict) and value and not {"model", "to"} & set(value):
        return Takeover(False, dict(value))
    return {"immediate": AT_ONCE, "manual": Takeover(False)}.get(value) if isinstance(value, str) else None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _rooted(values: dict[str, Any], base: Path) -> dict[str, Any]:
    source, takeover = values.get("source", ""), values.get("rollout", AT_ONCE)
    if source and "://" not in source:
        values = {**values, "source": str(base / source)}
    if takeover.plan and isinstance(takeover.plan.get("file"), str):
        values = {**values, "rollout": Takeover(False, {**takeover.plan, "file": str(base / takeover.plan["file"])})}
    return values


def _rooted_state(values: dict[str, Any], said: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """A state directory that the file names is relative to the file, as its sources are."""
    if "state" in said or not values["state"] or "://" in values["state"]:
        return values
    return {**values, "state": str(base / values["state"])}
