"""``taxiway edge run``: a LiteRT file is asked rows, here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxiway.cli import output
from taxiway.cli.predict import plain, show_outputs
from taxiway.cli.store import signature_rows, store_option
from taxiway.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from taxiway.edge.interpreter import Interpreter

__all__ = ["run"]


@click.command(epilog="Example: taxiway edge run digits:3 --variant int8 --data rows.npz")
@click.argument("what", metavar="FILE|MODEL[:VERSION]")
@store_option
@click.option("--variant", metavar="NAME", help="Which of a version's artefacts to run.")
@click.option("--data", metavar="FILE", help="Rows: .npz, .npy, .csv or JSON; - reads JSON from stdin.")
@click.option("--input", "values", multiple=True, metavar="NAME=JSON", help="An input's rows; once for each.")
@click.option("--signature", metavar="NAME", help="Which to ask.  [default: serving_default, or the only one]")
@click.option("--raw", is_flag=True, help="Whole numbers as they are in the file, where they stand for others.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of one run.")
@click.option("--out", metavar="FILE", help="Write the answers to an .npz file.")
@output.json_option
def run(
    *,
    what: str,
    store: str,
    variant: str | None,
    data: str | None,
    values: tuple[str, ...],
    signature: str | None,
    raw: bool,
    threads: int,
    out: str | None,
    as_json: bool,
) -> None:
    """Run a LiteRT file on rows, and print what it answers; without rows, what it takes and gives.

    FILE is any .tflite file; of a MODEL in the store, one of its version's artefacts is run.
    """
    from taxiway.cli.rows import read_rows
    from taxiway.edge.classes import top_classes
    from taxiway.edge.interpreter import load

    if data is not None and values:
        raise click.UsageError("give --data or --input, not both")
    with _located(what, store, variant) as path:
        interpreter = load(path, threads=threads)
    if data is None and not values:
        _describe(interpreter, as_json)
        return
    rows = read_rows(data) if data is not None else dict(map(_named, values))
    known = {name for one in interpreter.signatures.values() for name in one.inputs}
    if data is not None and isinstance(rows, dict) and "labels" not in known:
        # The same file of rows goes to taxiway edge build, which takes the labels out of it.
        rows.pop("labels", None)
    answer = interpreter.run(rows, signature, raw=raw)
    if out is not None:
        _write(out, answer)
    named = top_classes(answer, interpreter.classes, interpreter.borders)
    document = {"outputs": {name: plain(array.tolist()) for name, array in answer.items()}, "out": out}
    if named:
        document["classes"] = named
    output.print_value(document, as_json, lambda _: _show(answer, named))


def _show(answer: Mapping[str, Any], named: Mapping[str, Sequence[str]]) -> None:
    import numpy as np

    show_outputs({**{f"class by {name}": np.array(one, object) for name, one in named.items()}, **answer})


def _describe(interpreter: Interpreter, as_json: bool) -> None:
    document = {name: one.as_json() for name, one in interpreter.signatures.items()}

    def show(_: Any) -> None:
        output.print_table(["SIGNATURE", "", "NAME", "DTYPE", "SHAPE"], signature_rows(document))
        for name, classes in interpreter.classes.items():
            output.print_line(f"classes of {name}: {', '.join(classes)}")

    output.print_value({"signatures": document, "classes": dict(interpreter.classes)}, as_json, show)


def _named(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        if not (name and equals):
            raise ValueError("there is no name")
        return name, json.loads(value)
    except ValueError as error:
        raise InvalidArgument(f"{text!r} is no input: {error}.", hint="--input 'image=[[0.1, 0.2]]'") from None


def _write(out: str, answer: Mapping[str, Any]) -> None:
    import numpy as np

    try:
        with open(out, "wb") as file:
            np.savez(file, **answer)
    except OSError as error:
        raise InvalidArgument(f"{out} cannot be written: {error.strerror}.") from None


@contextmanager
def _located(what: str, store: str, variant: str | None) -> Iterator[Path]:
    """The file that is meant, for as long as the block lasts."""
    if Path(what).is_dir():
        raise InvalidArgument(f"{what} is a directory.", hint="Give a .tflite file, or MODEL:VERSION and --variant.")
    if Path(what).is_file() or "/" in what or what.endswith(".tflite"):
        if variant is not None:
            raise InvalidArgument("--variant chooses among a version's artefacts, and a file is one.")
        yield Path(what)
        return
    from taxiway.publish.versions import shelf_of
    from taxiway.stores import pull_artifact, resolve

    model, _, version = what.partition(":")
    shelf = shelf_of(model, store)
    number = resolve(shelf, version or None)
    found = {
        one.variant: name
        for name, one in shelf.manifest(number).artifacts.items()
        if one.target == "edge" and name.endswith(".tflite")
    }
    chosen = found.get(variant) if variant is not None else next(iter(found.values()), None)
    if chosen is None or (variant is None and len(found) > 1):
        raise NotFound(
            f"Version {number} of {model} has no artefact {variant} to run."
            if variant is not None or not found
            else f"Version {number} of {model} has several artefacts to run.",
            hint=f"--variant {', '.join(found)}" if found else f"taxiway edge build {model}:{number}",
        )
    with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
        yield pull_artifact(shelf, number, chosen, Path(folder))
