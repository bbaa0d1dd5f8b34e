from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.errors import InvalidArgument, NotFound, Unimplemented
from taxiway.serve.tfserving.flags import FLAGS, State, Type, defaults
from taxiway.serve.tfserving.options import ServerOptions, Tls, check_available, read_options
from taxiway.serve.tfserving.syntax import parse


def options(*arguments: str) -> ServerOptions:
    parsed = parse(arguments)
    assert not parsed.unknown and not parsed.errors
    return read_options(parsed.values)


def with_model(*arguments: str) -> ServerOptions:
    return options("--model_base_path=/m", *arguments)


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "file.pbtxt"
    path.write_text(text)
    return str(path)


NO_PORT = "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
NO_MODEL = "Both server_options.model_base_path and server_options.model_config_file are empty!"
TWO_CREDENTIALS = "Either use_alts_credentials must be false or ssl_config_file must be empty."


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port=0"], NO_PORT),
        (["--port=0", "--use_alts_credentials", "--ssl_config_file=x"], NO_PORT),
        (["--use_alts_credentials", "--ssl_config_file=x"], TWO_CREDENTIALS),
        ([], NO_MODEL),
        (["--model_name=a"], NO_MODEL),
        (["--model_base_path=m"], "Expected model default to have an absolute path or URI; got base_path()=m"),
        (["--model_base_path=/m", "--batching_parameters_file=x"],
         "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."),
        (["--model_base_path=/m", "--port=70000"], "--port must be between 0 and 65535; was 70000"),
        (["--model_base_path=/m", "--grpc_channel_arguments=a=1,b"],
         "--grpc_channel_arguments takes name=value, separated by commas; got b"),
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_start_a_server(arguments: list[str], text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        options(*arguments)
    assert caught.value.message == text


def test_what_cannot_be_had_and_cannot_be_done_without_stops_the_server() -> None:
    refused = [flag for flag in FLAGS if flag.state is State.REFUSED]
    assert "use_alts_credentials" in [flag.name for flag in refused]
    for flag in refused:
        value = "true" if flag.type is Type.BOOL else "x"
        with pytest.raises(Unimplemented, match=f"^--{flag.name} is not available.$"):
            check_available(parse([f"--{flag.name}={value}"]).values)
    check_available(defaults())


def test_a_missing_config_file_is_not_found() -> None:
    with pytest.raises(NotFound, match="^/absent; No such file or directory$"):
        options("--model_config_file=/absent")


def test_a_config_file_overrides_the_two_model_flags(tmp_path: Path) -> None:
    text = 'model_config_list { config { name: "b" base_path: "/b" model_platform: "tensorflow" } }'
    models = with_model("--model_name=a", f"--model_config_file={written(tmp_path, text)}").models
    assert [entry.name for entry in models.first or ()] == ["b"]


@pytest.mark.tfs("version-poll", "file-poll")
def test_polling(tmp_path: Path) -> None:
    file = f"--model_config_file={written(tmp_path, '# empty')}"
    assert options(file).models.first is None
    assert options(file).models.config_poll_seconds is None
    assert options(file, "--model_config_file_poll_wait_seconds=2").models.config_poll_seconds == 2
    assert with_model("--model_config_file_poll_wait_seconds=2").models.config_poll_seconds is None
    assert with_model().models.versions_poll_seconds == 1
    assert with_model("--file_system_poll_wait_seconds=0").models.versions_poll_seconds is None
    assert with_model("--file_system_poll_wait_seconds=-1").models.versions_poll_seconds == -1


@pytest.mark.tfs("flags-listen")
@pytest.mark.parametrize(
    ("arguments", "grpc", "rest", "skipped"),
    [
        ([], 8500, None, False),
        (["--rest_api_port=8501"], 8500, 8501, False),
        (["--rest_api_port=8500"], 8500, None, True),
        (["--port=0", "--grpc_socket_path=/s"], None, None, False),
    ],
)
def test_ports(arguments: list[str], grpc: int | None, rest: int | None, skipped: bool) -> None:
    listen = with_model(*arguments).listen
    assert (listen.grpc_port, listen.rest_port, listen.rest_skipped) == (grpc, rest, skipped)


def test_channel_arguments_are_integers_where_they_can_be() -> None:
    listen = with_model("--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=x=y,").listen
    assert listen.grpc_channel_arguments == (("grpc.max_connection_age_ms", 2000), ("grpc.lb_policy_name", "x=y"))


@pytest.mark.tfs("flags-loading")
def test_loading_in_seconds() -> None:
    loading = with_model("--load_retry_interval_micros=250000", "--op_libraries=/a.so,/b.so").loading
    assert (loading.retry_interval_seconds, loading.max_retries) == (0.25, 5)
    assert loading.op_libraries == ("/a.so", "/b.so")
    assert with_model("--load_retry_interval_micros=-1").loading.retry_interval_seconds == 0


PEM = "-----BEGIN X-----\\nx\\n-----END X-----\\n"


@pytest.mark.tfs("file-ssl")
def test_tls(tmp_path: Path) -> None:
    text = f'server_key: "{PEM}" server_cert: "{PEM}" custom_ca: "{PEM}" client_verify: true'
    pem = PEM.replace("\\n", "\n")
    assert with_model(f"--ssl_config_file={written(tmp_path, text)}").tls == Tls(pem, pem, pem, True)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('server_key: "/path/to/key" server_cert: "x"', "server_key in .* must be a PEM text, not a path"),
        (f'server_key: "{PEM}"', "server_cert in .* must be a PEM text"),
        (f'server_key: "{PEM}" server_cert: "{PEM}" client_verify: true', "client_verify in .* needs custom_ca"),
        ("what", "Invalid protobuf file: "),
    ],
)
def test_tls_that_would_protect_nobody_is_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        with_model(f"--ssl_config_file={written(tmp_path, text)}")


@pytest.mark.tfs("file-monitoring")
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config { enable: true path: "/m" }', "/m"),
        ('prometheus_config { path: "/m" }', None),
    ],
)
def test_prometheus(tmp_path: Path, text: str, path: str | None) -> None:
    file = f"--monitoring_config_file={written(tmp_path, text)}"
    assert with_model(file, "--rest_api_port=8501").observe.prometheus_path == path
    assert with_model(file).observe.prometheus_path is None


def test_a_reload_waits_within_a_bound_unless_strict() -> None:
    assert with_model().behaviour.reload_timeout_seconds == 600
    assert with_model("--strict").behaviour.reload_timeout_seconds is None
    assert with_model("--reload_timeout_seconds=0").behaviour.reload_timeout_seconds is None
