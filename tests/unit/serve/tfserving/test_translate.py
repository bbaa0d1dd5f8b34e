from __future__ import annotations

from taxiway.serve.tfserving.model_config import ModelEntry, VersionPolicy
from taxiway.serve.tfserving.options import read_options
from taxiway.serve.tfserving.syntax import parse
from taxiway.serve.tfserving.translate import model_settings, server_settings
from taxiway.settings import ServerSettings
from taxiway.settings.table import Policy


def settings(*flags: str) -> ServerSettings:
    return server_settings(read_options(parse(["--model_base_path=/m", *flags]).values))


def test_ports_and_limits_are_tensorflow_servings() -> None:
    given = settings()
    assert (given.host, given.grpc_port, given.rest_port, given.admin_port) == ("0.0.0.0", 8500, -1, -1)
    assert given.max_body_bytes == 2**31 - 1
    assert given.state == ""
    given = settings("--rest_api_port=8501", "--port=0", "--grpc_socket_path=/s", "--host=::1")
    assert (given.host, given.grpc_port, given.rest_port) == ("::1", -1, 8501)


def test_flags_that_are_settings() -> None:
    given = settings(
        "--rest_api_timeout_in_ms=70", "--rest_api_enable_cors_support", "--enable_serialization_as_tensor_content",
        "--drain_seconds=3", "--num_load_threads=7",
    )  # fmt: skip
    assert (given.request_timeout_ms, given.cors, given.tensor_content) == (70, True, True)
    assert (given.drain_seconds, given.load_threads) == (3, 7)
    assert settings().load_threads >= 2
    assert settings("--rest_api_timeout_in_ms=0").request_timeout_ms > 10**9


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
