"""``taxiway browser``: versions for web pages."""

from __future__ import annotations

import click

from taxiway.cli import output


@click.group(epilog="Example: taxiway browser install")
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
