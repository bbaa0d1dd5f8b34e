from __future__ import annotations

from pathlib import Path

import pytest

from taxiway.errors import InvalidArgument
from taxiway.serve.tfserving.channel import ARGUMENTS, read_channel
from taxiway.serve.tfserving.model_config import Logging, ModelEntry, VersionPolicy
from taxiway.serve.tfserving.options import read_options
from taxiway.serve.tfserving.syntax import parse
from taxiway.serve.tfserving.translate import model_settings, server_settings, spec_by_platform
from taxiway.settings import Batching, ModelSettings, ServerSettings
from taxiway.settings.table import Policy, rows
from taxiway.types import JsonObject


def settings(*flags: str) -> ServerSettings:
    return server_settings(read_options(parse(["--model_base_path=/m", *flags]).values))


@pytest.mark.tfs("flags-listen", "rest-body-size")
def test_ports_and_limits_are_tensorflow_servings() -> None:
    given = settings()
    assert (given.host, given.grpc_port, given.rest_port, given.admin_port) == ("0.0.0.0", 8500, -1, -1)
    assert given.max_body_bytes == 2**31 - 1
    assert given.state == ""
    given = settings("--rest_api_port=8501", "--port=0", "--grpc_socket_path=/s", "--host=::1")
    assert (given.host, given.grpc_port, given.rest_port) == ("::1", -1, 8501)


def test_channel_arguments_become_settings_and_the_rest_is_named() -> None:
    given = settings("--grpc_channel_arguments=grpc.max_concurrent_streams=9,grpc.max_connection_age_ms=2147483647,"
                     "grpc.max_receive_message_length=-1,grpc.max_concurrent_streams=7,grpc.lb_policy_name=x")  # fmt: skip
    assert (given.grpc_max_streams, given.grpc_max_age_ms, given.grpc_max_receive_bytes) == (7, 0, 2**31 - 1)
    assert (given.grpc_max_frame_bytes, given.grpc_max_send_bytes) == (256 << 10, 2**31 - 1)
    channel = read_channel([
        ("grpc.http2.max_frame_size", 1), ("grpc.keepalive_time_ms", "x"), ("grpc.max_send_message_length", -2),
        ("grpc.keepalive_permit_without_calls", 0), ("grpc.so_reuseport", 0), ("grpc.lb_policy_name", "x"),
    ])  # fmt: skip
    assert channel.settings == {}
    assert channel.unheeded == (
        "grpc.http2.max_frame_size=1 has no effect: it takes an integer from 16384 to 16777215",
        "grpc.keepalive_time_ms=x has no effect: it takes an integer from 1 to 2147483647",
        "grpc.max_send_message_length=-2 has no effect: it takes an integer from 0 to 2147483647 or -1",
        "grpc.keepalive_permit_without_calls=0 has no effect: it takes 1 only",
        "grpc.lb_policy_name has no effect on this server's HTTP/2",
    )


def test_each_channel_argument_that_is_heeded_is_a_setting_within_its_range() -> None:
    known = rows("server")
    for name, argument in ARGUMENTS.items():
        if argument.setting:
            row = known[argument.setting]
            for value in (argument.least, argument.most, *(argument.unlimited or ())[1:]):
                assert (row.least or 0) <= value <= (row.most or 2**63), name


def test_flags_that_are_settings() -> None:
    given = settings(
        "--rest_api_timeout_in_ms=70", "--rest_api_enable_cors_support", "--enable_serialization_as_tensor_content",
        "--drain_seconds=3", "--num_load_threads=7",
    )  # fmt: skip
    assert (given.request_timeout_ms, given.cors, given.tensor_content) == (70, True, True)
    assert not given.artifacts, "TensorFlow Serving has no artefacts to download"
    assert given.grpc_timeout_ms > 10**9  # the flag is REST's alone
    assert (given.drain_seconds, given.load_threads) == (3, 7)
    assert settings().load_threads >= 2
    assert settings().grpc_profiler and not settings("--enable_profiler=false").grpc_profiler
    assert settings("--rest_api_timeout_in_ms=0").request_timeout_ms > 10**9


@pytest.mark.tfs("load-retries")
def test_retries_follow_the_first_attempt_at_one_interval() -> None:
    given = settings("--max_num_load_retries=2", "--load_retry_interval_micros=500000")
    assert (given.load_attempts, given.retry_first_seconds, given.retry_longest_seconds) == (3, 0.5, 0.5)
    assert settings("--max_num_load_retries=0").load_attempts == 1


def test_a_model_has_its_platforms_settings_and_keeps_no_previous_version() -> None:
    options = read_options(
        parse(["--model_base_path=/m", "--saved_model_tags=a,b", "--num_request_iterations_for_warmup=3"]).values
    )
    for policy, expected in (
        (VersionPolicy("latest", 2), Policy(latest=2)),
        (VersionPolicy("all", 0), Policy(latest=None)),
        (VersionPolicy("specific", 0, (3, 4)), Policy(latest=None, numbers=(3, 4))),
    ):
        given = model_settings(ModelEntry("m", "/m", "tensorflow", policy, {"s": 3}, None), options.platforms)
        assert (given.source, given.versions, given.labels) == ("/m", expected, {"s": 3})
        assert (given.tags, given.warm_up, given.warm_up_iterations) == (("a", "b"), True, 3)
        assert (given.keep_previous, given.keep_previous_seconds) == (0, 0.0)


ENTRY = ModelEntry("m", "/m", "tensorflow", VersionPolicy(), {}, None)


def parameters(tmp_path: Path, text: str) -> str:
    file = tmp_path / "batching.config"
    file.write_text(text)
    return f"--batching_parameters_file={file}"


def gathering(*flags: str) -> Batching:
    options = read_options(parse(["--model_base_path=/m", *flags]).values)
    return model_settings(ENTRY, options.platforms).batching


def test_batching_is_off_until_it_is_asked_for_and_then_has_tensorflow_servings_defaults(tmp_path: Path) -> None:
    assert gathering() == Batching()
    assert gathering("--enable_batching") == Batching(max_batch_size=1000, max_enqueued_batches=10)
    file = parameters(
        tmp_path, "max_batch_size { value: 8 } num_batch_threads { value: 3 } allowed_batch_sizes: [2, 8]"
    )
    assert gathering("--enable_batching", file) == Batching(max_batch_size=8, allowed_batch_sizes=(2, 8))
    assert settings("--enable_batching", file).batch_threads == 3
    assert settings().batch_threads == 0


def test_with_splitting_the_allowed_sizes_end_at_the_most_rows_of_a_run(tmp_path: Path) -> None:
    file = parameters(
        tmp_path,
        "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 4 } allowed_batch_sizes: [2, 4, 8]",
    )
    given = gathering("--enable_batching", file)
    assert (given.max_batch_size, given.max_execution_batch_size, given.allowed_batch_sizes) == (8, 4, (2, 4))


def test_a_version_is_batched_by_its_own_parameters_when_that_is_asked_for(tmp_path: Path) -> None:
    flags = ["--model_base_path=/m", "--enable_batching", "--enable_per_model_batching_parameters"]
    platforms = read_options(parse(flags).values).platforms

    def spec(name: str, version: int, path: str, model: ModelSettings) -> JsonObject:
        return {"rows": model.batching.max_batch_size}

    def rows(version: Path) -> object:
        by_platform = spec_by_platform(spec, platforms.__getitem__, lambda name: None)
        return by_platform("tensorflow", 1, str(version), model_settings(ENTRY, platforms))["rows"]

    assert rows(tmp_path) == 0
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 16 }")
    assert rows(tmp_path) == 16
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 0 }")
    with pytest.raises(InvalidArgument, match="max_batch_size must be positive; was 0"):
        rows(tmp_path)


@pytest.mark.tfs("file-monitoring")
def test_the_metrics_page_is_where_the_monitoring_config_says(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.config"
    file.write_text('prometheus_config { enable: true path: "/own" }')
    assert settings(f"--monitoring_config_file={file}", "--rest_api_port=8501").prometheus_path == "/own"
    assert settings().prometheus_path == ""
    assert settings("--enable_batching").batch_thread_pool == "model_server_batch_threads"
    named = parameters(tmp_path, 'thread_pool_name { value: "own" }')
    assert settings("--enable_batching", named).batch_thread_pool == "own"


@pytest.mark.tfs("flags-behaviour")
def test_the_method_name_check_is_a_setting() -> None:
    assert settings("--enable_signature_method_name_check").method_name_check
    assert not settings().method_name_check


def test_the_request_log_of_a_model_is_where_its_config_says() -> None:
    platforms = read_options(parse(["--model_base_path=/m"]).values).platforms
    for logging, expected in ((None, None), (Logging("files", "/logs/m", 0.25), ("/logs/m", 0.25))):

        def logging_of(_: str, given: Logging | None = logging) -> Logging | None:
            return given

        spec = spec_by_platform(lambda *_: {}, lambda _: platforms["tensorflow"], logging_of)
        log = spec("m", 1, "/m/1", model_settings(ENTRY, platforms))["request_log"]
        assert (log and (log["prefix"], log["sampling_rate"])) == expected
