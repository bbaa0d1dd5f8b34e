"""``taxiway devices``: what TensorFlow can run on here, and what becomes of runtime settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from taxiway.cli import output

if TYPE_CHECKING:
    from taxiway.train.devices import RuntimeReport


@click.command(epilog="Example: taxiway devices --set logical_cpus=2 --set intra_op_threads=1")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Try a runtime setting.")
@output.json_option
def devices(assignments: tuple[str, ...], as_json: bool) -> None:
    """Show the devices of this machine, and each runtime setting as requested and as it is."""
    from taxiway.errors import FailedPrecondition
    from taxiway.train.devices import configure_runtime, read_settings

    settings = read_settings(assignments)
    try:
        report = configure_runtime(settings)
    except ImportError as error:
        raise FailedPrecondition(f"{error.name} is not installed.", hint="pip install 'taxiway[train]'") from None
    output.print_value(report.as_json(), as_json, lambda _: _show(report))


def _show(report: RuntimeReport) -> None:
    output.print_table(
        ["DEVICE", "TYPE", "IS"], [(device.name, device.type, device.description) for device in report.devices]
    )
    output.print_line()
    output.print_line(f"Models can be placed on {', '.join(report.logical)}.")
    output.print_line()
    output.print_table(["SETTING", "REQUESTED", "EFFECTIVE"], report.rows())
