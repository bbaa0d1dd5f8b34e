"""``taxiway inspect``: what a model on disk is, read without TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from taxiway.cli import output
from taxiway.cli.profile import show_profile
from taxiway.cli.store import comparison_text, litert_text, signature_rows, store_option
from taxiway.errors import DataLoss, InvalidArgument, NotFound

MAX_OPS_SHOWN = 12


@click.command(epilog="Example: taxiway inspect models/digits/3   or: taxiway inspect digits:3 --store models/")
@click.argument("what", metavar="PATH|MODEL[:VERSION]")
@store_option
@click.option("--ops", "all_ops", is_flag=True, help="List every op, not only the most frequent.")
@click.option("--engines", is_flag=True, help="Load it on both engines, and say which is to run what, and why.")
@output.json_option
def inspect(what: str, store: str, all_ops: bool, engines: bool, as_json: bool) -> None:
    """Show signatures, sizes, ops, artefacts and lineage of a SavedModel, a version or a LiteRT file."""
    if Path(what).is_file():
        document = describe_file(Path(what))
    else:
        with _located(what, store) as (directory, pulled):
            document = describe(directory, pulled=pulled)
            if engines:
                from taxiway.serve.engines import measured

                document["loaded"] = measured(str(directory))
    output.print_value(document, as_json, lambda value: _show(value, None if all_ops else MAX_OPS_SHOWN))


def describe(directory: Path, *, pulled: bool = False) -> dict[str, Any]:
    """Everything that can be said of the model in a directory.

    Args:
        directory: a SavedModel's, or a version's.
        pulled: whether it was brought here from a store, without artefacts.

    Raises:
        InvalidArgument: it holds none.
        DataLoss: its files cannot be read.
    """
    from taxiway.profile import read_profile
    from taxiway.publish import MANIFEST_FILE
    from taxiway.wire.records import WARM_UP_FILE, read_records
    from taxiway.wire.saved_model import EXPORT_FILE, LITERT_FILE, SAVED_MODEL_FILE, read_beside, read_saved_model

    has_graph, has_litert = (directory / SAVED_MODEL_FILE).is_file(), (directory / LITERT_FILE).is_file()
    if not has_graph and not has_litert:
        raise InvalidArgument(
            f"{directory} holds neither {SAVED_MODEL_FILE} nor {LITERT_FILE}.",
            hint="Give a version's directory, or MODEL or MODEL:VERSION with --store.",
        )
    graph = read_saved_model(directory) if has_graph else None
    files = {path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*")) if path.is_file()}
    manifest = _manifest(directory, pulled) if MANIFEST_FILE in files else None
    if manifest is not None:
        files = {name: path for name, path in files.items() if not name.startswith("artifacts/")}
    warm_up = sum(1 for _ in read_records(files[WARM_UP_FILE])) if WARM_UP_FILE in files else 0
    return {
        "path": str(directory),
        "signatures": {name: one.as_json() for name, one in graph.signatures.items()}
        if graph
        else _litert_signatures(directory / LITERT_FILE),
        "tensorflow": graph.tensorflow_version if graph else None,
        "functions": graph.functions if graph else 0,
        "ops": dict(graph.ops) if graph else {},
        "warm_up_requests": warm_up,
        "comparison": (read_beside(directory, EXPORT_FILE) or {}).get("comparison", {}),
        "profile": None if (profile := read_profile(directory)) is None else profile.as_json(),
        "litert": has_litert,
        "described": {},
        "files": {name: path.stat().st_size for name, path in files.items()},
        "manifest": manifest,
    }


def describe_file(path: Path) -> dict[str, Any]:
    """The same of one LiteRT file, anybody's; ``described`` is what ``taxiway edge build`` wrote into it.

    Raises:
        DataLoss: it is none, or not a whole one.
        FailedPrecondition: the runtime does not run it.
    """
    from taxiway.edge.metadata import described

    signatures = _litert_signatures(path)
    return {
        "path": str(path), "signatures": signatures, "tensorflow": None, "functions": 0, "ops": {},
        "warm_up_requests": 0, "comparison": {}, "profile": None, "litert": True,
        "described": described(path.read_bytes()) if signatures else {},
        "files": {path.name: path.stat().st_size}, "manifest": None,
    }  # fmt: skip


def _litert_signatures(path: Path) -> dict[str, Any]:
    """What a LiteRT file takes and gives; nothing is known where the runtime is not installed."""
    from taxiway.edge.interpreter import load

    if find_spec("ai_edge_litert") is None:
        return {}
    return {name: one.as_json() for name, one in load(path).signatures.items()}


def _manifest(directory: Path, pulled: bool) -> dict[str, Any]:
    from taxiway.publish import read_manifest, verify
    from taxiway.stores import damaged_artifacts

    manifest = read_manifest(directory)
    document = manifest.as_json()
    damaged = {} if pulled else damaged_artifacts(directory, manifest)
    for name, one in document.get("artifacts", {}).items():
        one["damage"] = damaged.get(name)
    try:
        verify(directory)
    except DataLoss as error:
        return {**document, "verified": False, "damage": error.message}
    return {**document, "verified": True, "damage": None}


@contextmanager
def _located(what: str, store: str) -> Iterator[tuple[Path, bool]]:
    """The directory that is meant, and whether it was pulled: brought here from an object store, for the block."""
    if Path(what).is_dir():
        yield Path(what), False
        return
    model, _, version = what.partition(":")
    if "/" in what:
        raise NotFound(f"There is no directory {what}.", hint="Give a directory, MODEL, or MODEL:VERSION.")
    from taxiway.publish.versions import shelf_of
    from taxiway.stores import pull, resolve

    shelf = shelf_of(model, store)
    with tempfile.TemporaryDirectory(prefix="taxiway-") as folder:
        yield pull(shelf, resolve(shelf, version or None), Path(folder)), shelf.store.root is None


def _show(document: dict[str, Any], max_ops: int | None) -> None:
    total = sum(document["files"].values())
    output.print_line(f"{document['path']}: {len(document['files'])} files, {output.size_text(total)}")
    output.print_line()
    if document["signatures"]:
        output.print_table(["SIGNATURE", "", "NAME", "DTYPE", "SHAPE"], signature_rows(document["signatures"]))
        output.print_line()
    output.print_table(["", ""], [row for row in _facts(document, max_ops) if row[1]])
    output.print_line()
    if "loaded" in document:
        _show_loaded(document["loaded"])
    if document["profile"] is not None:
        show_profile(document["profile"])
    if artifacts := (document["manifest"] or {}).get("artifacts"):
        output.print_table(
            ["ARTEFACT", "VARIANT", "SIZE", "SHA-256", "CONTRACT"],
            [_artifact(name, one) for name, one in artifacts.items()],
            right=["SIZE"],
        )
        output.print_line()
    output.print_table(
        ["FILE", "SIZE"],
        [(name, output.size_text(size)) for name, size in document["files"].items()],
        right=["SIZE"],
    )


def _show_loaded(loaded: dict[str, Any]) -> None:
    from taxiway.serve.engines import batching_lines, choice_lines

    run = f", {loaded['run_us']:,.0f} µs a run" if loaded["run_us"] is not None else ""
    output.print_line(f"here it runs on {loaded['engine']}: loaded in {loaded['load_ms']:,.0f} ms{run}")
    for line in choice_lines(loaded["choice"]) + batching_lines(loaded["batching"]):
        output.print_line(f"  {line}")
    output.print_line()


def _artifact(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    told = one["damage"] or _contract_text(one["contract"])
    return (name, one["variant"], output.size_text(one["bytes"]), one["sha256"][:16], told)


def _contract_text(contract: dict[str, Any]) -> str:
    """What it was held to, in its own sentence when it has one."""
    if "reason" in contract:
        return str(contract["reason"])
    figures = {name: one for name, one in contract.items() if isinstance(one, (int, float, str))}
    return ", ".join(
        f"{name} {one:.4g}" if isinstance(one, float) else f"{name} {one}" for name, one in figures.items()
    )


def _facts(document: dict[str, Any], max_ops: int | None) -> list[tuple[str, str]]:
    ops = list(document["ops"].items())
    shown = ", ".join(f"{op} {count}" if count > 1 else op for op, count in ops[:max_ops])
    if max_ops is not None and len(ops) > max_ops:
        shown += f", and {len(ops) - max_ops} more (--ops)"
    facts = [
        ("written by", f"TensorFlow {document['tensorflow']}" if document["tensorflow"] else ""),
        ("ops", f"{len(ops)} kinds: {shown}" if ops else ""),
        ("warm-up requests", str(document["warm_up_requests"] or "none")),
        *((f"{name} as exported", comparison_text(one)) for name, one in document["comparison"].items()),
        ("LiteRT file", next((name for name in document["files"] if name.endswith(".tflite")), "none")),
    ]
    if made := document["described"]:
        version = "" if made.get("version") is None else f" version {made['version']}"
        facts += [
            ("made of", f"{made.get('model')}{version}, as {made.get('variant')}"),
            ("held to", f"{made.get('contract')}: {made.get('shown')}"),
            *((f"classes of {name}", ", ".join(one)) for name, one in made.get("classes", {}).items()),
        ]
    manifest = document["manifest"]
    if litert := (manifest or {}).get("litert"):
        facts += [("LiteRT as published", litert["reason"])]
        facts += [(f"{name} on LiteRT", litert_text(one)) for name, one in litert["signatures"].items()]
    if manifest is None:
        return [*facts, ("manifest", "none: not published by Taxiway")]
    facts.append(("manifest", "every file is what was published" if manifest["verified"] else manifest["damage"]))
    return [*facts, *((name, str(value)) for name, value in {**manifest["lineage"], **manifest["metrics"]}.items())]
