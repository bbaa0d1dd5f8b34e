"""Writes every file that is made from another one; with ``--check`` says which are out of date instead.

    python tools/generate.py [--check]

A generated file is one row of :data:`FILES`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]


def descriptors() -> bytes:
    """Everything under ``proto/`` as one FileDescriptorSet, google's own files included."""
    from grpc_tools import protoc

    root = ROOT / "proto"
    protos = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "descriptors.binpb"
        arguments = ["protoc", f"-I{root}", f"-I{Path(protoc.__file__).parent / '_proto'}", "--include_imports"]
        if protoc.main([*arguments, f"--descriptor_set_out={out}", *protos]):
            raise SystemExit("protoc failed")
        return out.read_bytes()


def messages_stub() -> bytes:
    """The types of the message classes."""
    from tools import wire_stub

    return wire_stub.render(descriptors()).encode()


def settings() -> bytes:
    """The reference page of every setting."""
    from taxiway.settings import reference

    return reference.render().encode()


def commands() -> bytes:
    """The reference page of the commands."""
    from tools import commands_reference

    return commands_reference.render().encode()


def errors() -> bytes:
    """The reference page of the kinds of errors."""
    from tools import errors_reference

    return errors_reference.render().encode()


def metrics() -> bytes:
    """The reference page of the metrics."""
    from tools import metrics_reference

    return metrics_reference.render().encode()


def tensorflow_serving_flags() -> bytes:
    """The reference page of ``taxiway-model-server``'s flags."""
    from tools import tensorflow_serving_flags as page

    return page.render().encode()


def openapi_document() -> bytes:
    """The description of the REST API."""
    from tools import openapi

    return openapi.render().encode()


def rest() -> bytes:
    """The reference page of the REST API."""
    from tools import rest_reference

    return rest_reference.render().encode()


def tensorflow_serving_coverage() -> bytes:
    """The reference page of what is tested of TensorFlow Serving's behaviour."""
    from tools import serving_coverage

    return serving_coverage.render().encode()


def strategies() -> bytes:
    """The reference page of what holds for each strategy."""
    from tools import strategies_table

    return strategies_table.render().encode()


def evidence_picture() -> bytes:
    """The picture of the page about evidence."""
    from tools import evidence_picture as picture

    return picture.render().encode()


def rollout_states() -> bytes:
    """The page about what can become of a rollout."""
    from tools import rollout_states_page

    return rollout_states_page.render().encode()


def edge_models() -> bytes:
    """The reference page of what became of seven models as LiteRT files."""
    from tools import edge_models_page

    return edge_models_page.render().encode()


def browser_models() -> bytes:
    """The reference page of what became of seven models as web pages."""
    from tools import browser_models_page

    return browser_models_page.render().encode()


def readme() -> bytes:
    """The README, whose figures are those of the last run of the benchmark."""
    from tools import bench_summary

    return bench_summary.render().encode()


def bench_report() -> bytes:
    """The page of the last run of the benchmark."""
    from tools import bench_summary

    return bench_summary.render_report().encode()


# path: what makes its content
FILES: dict[str, Callable[[], bytes]] = {
    "README.md": readme,
    "bench/results/REPORT.md": bench_report,
    "src/taxiway/serve/openapi.json": openapi_document,
    "src/taxiway/wire/descriptors.binpb": descriptors,
    "src/taxiway/wire/messages.pyi": messages_stub,
    "docs/concepts/evidence.svg": evidence_picture,
    "docs/concepts/rollout-states.md": rollout_states,
    "docs/reference/browser-models.md": browser_models,
    "docs/reference/commands.md": commands,
    "docs/reference/edge-models.md": edge_models,
    "docs/reference/errors.md": errors,
    "docs/reference/metrics.md": metrics,
    "docs/reference/rest.md": rest,
    "docs/reference/settings.md": settings,
    "docs/reference/strategies.md": strategies,
    "docs/reference/tensorflow-serving-coverage.md": tensorflow_serving_coverage,
    "docs/reference/tensorflow-serving-flags.md": tensorflow_serving_flags,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Write, or check, the generated files.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is out of date")
    check = parser.parse_args().check
    stale = 0
    for name, make in FILES.items():
        path, content = ROOT / name, make()
        if path.exists() and path.read_bytes() == content:
            continue
        stale += 1
        if check:
            print(f"{name} is out of date: run python tools/generate.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"wrote {name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
