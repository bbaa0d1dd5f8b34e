"""``taxiway edge prune``: a Keras file with most weights zero, fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from taxiway.cli import output

__all__ = ["prune"]


@click.command(epilog="Example: taxiway edge prune model.keras --sparsity 0.8 --data rows.npz")
@click.argument("model", metavar="model.keras")
@click.option("--sparsity", type=float, metavar="PART", help="The part of each kernel that becomes zero: 0.8.")
@click.option("--pattern", metavar="N:M", help="Instead: 2:4 keeps two of every four weights.")
@click.option("--data", required=True, metavar="PATH", help="Real rows: .npz, .npy, or a recording of requests.")
@click.option("--labels", metavar="NAME", help="The array of true classes in the .npz.  [default: labels, if there]")
@click.option("--epochs", type=int, default=4, show_default=True, help="How long to train.")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Rows of a step.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Of Adam.")
@click.option("--skip", multiple=True, metavar="LAYER", help="Leave this layer alone; may be repeated.")
@click.option("--out", metavar="FILE", help="Where to.  [default: MODEL-pruned.keras beside it]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order of the rows.")
@output.json_option
def prune(model: str, as_json: bool, **options: Any) -> None:
    """Set the weights of a Keras file that matter least to zero, and fine-tune the rest.

    What is saved is compressed size: the LiteRT file is as large as before, and much smaller once it is compressed. A
    fifth of the rows is held back to say what it cost. Without labels the model learns its own former answers. Build
    the result as any other file: taxiway edge build model-pruned.keras.
    """
    from taxiway.edge import FineTuning
    from taxiway.edge import prune as prune_model

    if (options["sparsity"] is None) == (options["pattern"] is None):
        raise click.UsageError("say --sparsity or --pattern, one of them")
    tuned = FineTuning(**{name: options.pop(name) for name in ("epochs", "batch_size", "learning_rate", "seed")})
    pruned = prune_model(model, fine_tuning=tuned, **options)
    output.print_value(pruned.as_json(), as_json, _show)


def _show(document: Mapping[str, Any]) -> None:
    rows = [
        (
            name,
            f"{side['sparsity']:.1%}",
            "" if side["accuracy"] is None else f"{side['accuracy']:.4f}",
            f"{side['loss']:.4g}",
            output.size_text(side["file_bytes"]),
            output.size_text(side["gzip_bytes"]),
        )
        for name, side in (("before", document["before"]), ("after", document["after"]))
    ]
    columns = ["", "ZERO", "ACCURACY", "LOSS", "LITERT FILE", "COMPRESSED"]
    output.print_table(columns, rows, right=columns[1:])
    output.print_line()
    part = document["after"]["gzip_bytes"] / document["before"]["gzip_bytes"]
    output.print_line(
        f"{part:.0%} of the compressed size; accuracy against {document['against']}, on {document['held_back']} rows "
        f"held back of {document['rows'] + document['held_back']}"
    )
    output.print_line(f"written to {document['out']}")
