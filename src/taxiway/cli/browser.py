"""``taxiway browser``: versions for web pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taxiway.cli import output
from taxiway.cli.edge import show_report
from taxiway.cli.store import store_option

if TYPE_CHECKING:
    from taxiway.browser import Built

_BACKENDS = "wasm,cpu,node"
F = TypeVar("F", bound=Callable[..., Any])


@click.group(epilog="Example: taxiway browser build digits:3 --data rows.npz")
def browser() -> None:
    """Make a version for web pages, tried in a real browser before it is kept."""


@browser.command("install", epilog="Example: taxiway browser install")
@click.option("--again", is_flag=True, help="Install anew, also when it is there.")
@output.json_option
def install(again: bool, as_json: bool) -> None:
    """Install TensorFlow.js, which artefacts are made and tried with.

    npm puts the versions of Taxiway's lock file, each held to its digest, into a folder of the user's cache. Nothing
    else ever downloads anything.
    """
    from taxiway.browser import install as install_packages

    found = install_packages(again=again)
    output.print_value({"folder": str(found)}, as_json, lambda value: output.print_line(value["folder"]))


def _rows_options(function: F) -> F:
    """What ``build`` and ``verify`` share: rows, labels, the contract and where it is tried."""
    for option in (
        click.option("--backends", default=_BACKENDS, show_default=True, metavar="A,B,…", help="Where it is tried."),
        click.option("--scores", metavar="OUTPUT", help="The output with scores of classes, where it cannot be told."),
        click.option("--contract", metavar="TERMS", help="What it must hold to, as of taxiway edge build."),
        click.option("--labels", metavar="NAME", help="The array of true classes in the .npz."),
        click.option("--data", metavar="PATH", help="Real rows: an .npz file, or a recording of requests."),
    ):
        function = option(function)
    return function


@browser.command("build", epilog="Example: taxiway browser build digits:3 --data rows.npz")
@click.argument("model", metavar="MODEL[:VERSION]|PATH")
@store_option
@_rows_options
@click.option("--no-verify", is_flag=True, help="Write it untried.")
@click.option("--signature", default="serving_default", show_default=True, metavar="NAME", help="The one pages ask.")
@click.option(
    "--weights",
    type=click.Choice(["float32", "float16", "uint16", "uint8"]),
    default="float32",
    show_default=True,
    help="What weights are kept as.",
)
@click.option("--out", metavar="DIR", help="Where to.  [default: the version's own artifacts/browser]")
@output.json_option
def build(model: str, backends: str, no_verify: bool, as_json: bool, **options: Any) -> int:
    """Make a web page of a model: TensorFlow.js's files, a typed loader, an app that works without a network.

    PATH is a SavedModel's directory or a Keras file. Rows are the version's warm-up requests when --data names none.
    The page's model is asked every row in headless Chromium, on the first of --backends (wasm, cpu, webgl, webgpu,
    node; the others get a few rows), and compared with the version's own answers. What does not hold to the contract
    (agreement>=0.99@0.95, and with float32 weights no number further than 1e-5) is not written, and the command exits
    with 1. What could not be tried, because there is no browser, is said; a page that was tried is then left as it is,
    unless --no-verify asks for another one.
    """
    from taxiway.browser import build as build_page

    names = None if no_verify else _names(backends)
    built = build_page(model, backends=names, **options)
    output.print_value(built.as_json(), as_json, lambda _: _show(built))
    return 0 if built.place else 1


@browser.command("verify", epilog="Example: taxiway browser verify page/ --backends wasm,webgl")
@click.argument("page", metavar="DIR|MODEL[:VERSION]|URL")
@click.option("--against", metavar="MODEL[:VERSION]|PATH", help="The original.  [default: what the report says]")
@store_option
@_rows_options
@click.option("--signature", metavar="NAME", help="Which one of the original's.  [default: what the report says]")
@output.json_option
def verify(page: str, backends: str, as_json: bool, **options: Any) -> int:
    """Ask a page's model and its original the same rows again, and write the report anew.

    The page is a directory, or the one that a version has: MODEL[:VERSION], or its URL in a bucket. Rows, original and
    contract are those that the report beside it names, unless they are given. The report of a version stays as it is.
    Exits with 1 when the contract is not held.
    """
    from taxiway.browser import verify as verify_page

    built = verify_page(page, backends=_names(backends), **options)
    output.print_value(built.as_json(), as_json, lambda _: _show(built))
    return 0 if built.place else 1


def _names(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _show(built: Built) -> None:
    show_report(built.report, built.place)
    tried = built.report.variants[0].notes.get("backends", {})
    for name, found in tried.items():
        if "error" not in found:
            apart = "not a number" if found["difference"] is None else f"{found['difference']:.1e}"
            output.print_line(f"{name}: largest difference {apart}, {found['us'] / 1000:.1f} ms a row")
    if built.unverified:
        output.print_note(built.unverified)
