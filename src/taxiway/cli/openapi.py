"""``taxiway openapi``."""

from __future__ import annotations

import json

import click

from taxiway.serve.openapi import document

__all__ = ["openapi"]


@click.command(epilog="Example: taxiway openapi > rest.json")
def openapi() -> None:
    """Print what the REST port answers, as an OpenAPI 3.1 document.

    A running server has the same document at /openapi.json.
    """
    click.echo(json.dumps(document(), indent=2, ensure_ascii=False))
