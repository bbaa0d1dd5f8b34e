from __future__ import annotations

import logging
from pathlib import Path

import pytest

from taxiway.cli import model_server
from taxiway.errors import TaxiwayError
from taxiway.serve.tfserving.options import ServerOptions

CONFIG = 'model_config_list { config { name: "a" base_path: "/m" model_platform: "tensorflow" } }'


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[ServerOptions]:
    """The options of each server that was run; none really is."""
    options: list[ServerOptions] = []

    def run(of: ServerOptions) -> int:
        options.append(of)
        return 0

    monkeypatch.setattr(model_server, "run", run)
    monkeypatch.setattr(logging, "basicConfig", lambda **kwargs: None)
    return options


def test_flags_reach_the_server(runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]) -> None:
    assert model_server.main(["--model_base_path=/m", "--model_name=a", "--port=9000"]) == 0
    assert [entry.name for entry in runs[0].models.first or ()] == ["a"]
    assert runs[0].listen.grpc_port == 9000
    assert capsys.readouterr() == ("", "")


@pytest.mark.tfs("flag-unknown", "flag-syntax")
def test_unknown_arguments_are_printed_and_the_server_goes_on(
    runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert model_server.main(["--model_base_path=/m", "--new_flag=1", "-x", "--port", "9000"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("unknown argument: --new_flag=1\nusage: taxiway-model-server\nFlags:\n\t--port=8500 ")
    assert out.count("unknown argument") == 1
    assert [line.split()[1] for line in err.splitlines()] == ["--new_flag=1", "-x", "--port", "9000"]
    assert runs[0].listen.grpc_port == 8500


@pytest.mark.tfs("flags-exotic")
def test_flags_without_effect_are_warned_about(runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]) -> None:
    assert model_server.main(["--model_base_path=/m", "--mixed_precision=bfloat16", "--skip_initialize_tpu=false"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("warning: --mixed_precision has no effect here: ") and err.count("warning") == 1


@pytest.mark.tfs("flag-help", "flag-bad-value")
@pytest.mark.parametrize(
    ("arguments", "err"),
    [(["--help"], ""), (["--port=x"], "Couldn't interpret value x for flag port.\n"), (["--version=2"], None)],
)
def test_usage_goes_to_standard_output(
    arguments: list[str], err: str | None, runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert model_server.main(arguments) == 255
    captured = capsys.readouterr()
    assert captured.out.startswith("usage: taxiway-model-server\nFlags:\n")
    assert err is None or captured.err == err
    assert not runs


@pytest.mark.tfs("flag-version")
def test_version(runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]) -> None:
    assert model_server.main(["--version", "--unknown"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("TensorFlow ModelServer: 2.")
    assert second.startswith("TensorFlow Library: ")
    assert not runs


@pytest.mark.tfs("start-no-model")
def test_a_server_that_cannot_start(runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]) -> None:
    assert model_server.main([]) == 255
    assert capsys.readouterr().out == (
        "Failed to start server. Error: INVALID_ARGUMENT: "
        "Both server_options.model_base_path and server_options.model_config_file are empty!\n"
    )
    assert not runs


@pytest.mark.tfs("start-protobuf")
def test_a_config_file_with_an_error_speaks_on_both_streams(
    tmp_path: Path, runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "models.config"
    path.write_text(CONFIG + "}")
    assert model_server.main([f"--model_config_file={path}"]) == 255
    out, err = capsys.readouterr()
    assert out == f"Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{path}'\n"
    assert err.startswith("Error parsing text-format tensorflow.serving.ModelServerConfig: 1:")


def test_an_error_while_running_is_reported_like_one_before(
    monkeypatch: pytest.MonkeyPatch, runs: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(of: ServerOptions) -> int:
        raise TaxiwayError("1 servable(s) did not become available: {}", hint="look here")

    monkeypatch.setattr(model_server, "run", run)
    assert model_server.main(["--model_base_path=/m"]) == 255
    out, err = capsys.readouterr()
    assert out == "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {}\n"
    assert err == "hint: look here\n"
