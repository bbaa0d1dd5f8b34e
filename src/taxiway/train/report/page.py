"""A run as one page of HTML: nothing is fetched, nothing runs, and everything that came from a run is escaped."""

from __future__ import annotations

import html
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from taxiway.train.history import RATE, VALIDATION, Entry, best_entry, figure_text, first_choice, metric_names
from taxiway.train.job import name_of
from taxiway.train.report.board import BOARD
from taxiway.train.report.style import STYLE
from taxiway.train.runs import Run

__all__ = ["page"]

MAX_EPOCHS_SHOWN = 500
_OUTCOMES = {"finished": "good", "failed": "bad"}
_BEST = "The best epoch is the one with the lowest {}."
_EXPORTED = " The exported model is that of the last epoch."


def page(run: Run, curves: str | None, remark: str = "") -> str:
    """The report of a run.

    Args:
        run: finished or not.
        curves: the picture as SVG; None without one.
        remark: why there is no picture, for people.
    """
    record, history = run.record, run.history
    parts = [
        _outcome(run, record, history),
        _section("Learning curves", _curves(curves, remark)),
        _section("Go on from here", _commands(run)),
        '<div class="columns">',
        _section("Parameters", _facts(record.get("params", run.request.params), "The job has no parameters.")),
        _section("Trained on", _facts(_trained_on(run, record))),
        _section("Data", _facts(record.get("data", {}), "The data was not read yet.")),
        _section("Code", _facts({"job": run.request.job, **record.get("code", {})})),
        "</div>",
        _section("Environment", _facts(_flat(record.get("environment", {})), "Nothing was noted down yet.")),
        _section("Epochs", _epochs(history)),
    ]
    title = _text(f"{name_of(run.request.job)} · {run.id}")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _outcome(run: Run, record: Mapping[str, Any], history: Sequence[Entry]) -> str:
    kind = _OUTCOMES.get(run.status, "open")
    told = [f"{len(history)} of {run.request.epochs} epochs", _duration(run.seconds)]
    if record.get("started_at"):
        told.append(f"started {str(record['started_at']).replace('T', ' ').replace('Z', ' UTC')}")
    error = f'<pre class="error">{_text(record["error"])}</pre>' if record.get("error") else ""
    return (
        f'<header><p class="kind">Training run of {_text(run.request.job)}</p><h1>{_text(run.id)}</h1>'
        f'<p><span class="status {kind}">{_text(run.status)}</span> {_text(" · ".join(told))}</p>{error}</header>\n'
        + _key_figures(history, run.status == "finished")
    )


def _key_figures(history: Sequence[Entry], finished: bool) -> str:
    best = best_entry(history)
    if best is None:
        return '<p class="remark">No epoch was finished.</p>'
    last = history[-1]
    shown = [(f"best epoch ({best['epoch']})", best), (f"last epoch ({last['epoch']})", last)]
    if best["epoch"] == last["epoch"]:
        shown = [(f"best and last epoch ({last['epoch']})", last)]
    validated = any(name.startswith(VALIDATION) for name in last)
    prefixes = (VALIDATION, "") if validated else ("",)
    named = {VALIDATION: "validation", "": "training"}
    heads = [f"{title}, {named[one]}" for title, _ in shown for one in prefixes]
    rows = [
        [name.replace("_", " "), *(figure_text(entry.get(one + name)) for _, entry in shown for one in prefixes)]
        for name in metric_names(history)
    ]
    note = _BEST.format(first_choice(history).replace("val_", "validation ")) + (_EXPORTED if finished else "")
    return f'<section>{_table(["", *heads], rows, "key")}<p class="remark">{_text(note)}</p></section>'


def _curves(picture: str | None, remark: str) -> str:
    if picture is None:
        return f'<p class="remark">{_text(remark or "No epoch was finished.")}</p>'
    # Only the drawing: a prologue has no place inside a page.
    return f'<div class="curves">{picture[picture.index("<svg") :]}</div>'


def _commands(run: Run) -> str:
    path = run.path.resolve()
    where, board, name = (shlex.quote(str(one)) for one in (path, path / BOARD, name_of(run.request.job)))
    lines = [("Look closer", f"tensorboard --logdir {board}")]
    if run.status == "finished":
        lines.insert(0, ("Publish the model", f"taxiway publish {where} {name} --store models/"))
    else:
        lines.insert(0, ("Resume it from its last checkpoint", f"taxiway train --resume {where}"))
    return "".join(f"<p>{_text(what)}</p><pre>{_text(command)}</pre>" for what, command in lines)


def _trained_on(run: Run, record: Mapping[str, Any]) -> dict[str, Any]:
    asked = run.request
    facts = {
        "strategy": record.get("strategy", asked.strategy), "replicas": record.get("replicas"),
        "workers": asked.workers, "parameter servers": asked.parameter_servers or None,
        "devices": ", ".join(asked.devices) or "all that fit", "global batch": asked.global_batch, "seed": asked.seed,
        **{f"runtime {name}": value for name, value in asked.runtime.items()},
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value is not None}


def _epochs(history: Sequence[Entry]) -> str:
    names = list(dict.fromkeys(name for entry in history for name in entry if name not in ("epoch", "seconds")))
    names.sort(key=lambda name: name == RATE)
    shown = history[-MAX_EPOCHS_SHOWN:]
    rows = [
        [str(entry["epoch"]), *(figure_text(entry.get(one)) for one in names), figure_text(entry.get("seconds"))]
        for entry in shown
    ]
    before = f'<p class="remark">The last {len(shown)} of {len(history)}.</p>' if len(shown) < len(history) else ""
    return before + _table(["epoch", *names, "seconds"], rows, "numbers") if rows else '<p class="remark">None.</p>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{content}</section>"


def _facts(facts: Mapping[str, Any], otherwise: str = "") -> str:
    if not facts:
        return f'<p class="remark">{_text(otherwise)}</p>'
    return _table((), [[name, _value(value)] for name, value in facts.items()], "facts")


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]], kind: str) -> str:
    head = "".join(f"<th>{_text(one)}</th>" for one in heads)
    body = "\n".join(
        f"<tr><th>{_text(row[0])}</th>{''.join(f'<td>{_text(cell)}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="wide"><table class="{kind}">{head}<tbody>{body}</tbody></table></div>'


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """One level of names: packages stand beside what else is known."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        flat.update(value if isinstance(value, Mapping) else {name: value})
    return flat


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _text(value: object) -> str:
    return html.escape(str(value))
