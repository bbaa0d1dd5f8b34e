from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from taxiway.errors import InvalidArgument
from taxiway.serve.tfserving.flags import defaults
from taxiway.serve.tfserving.platform import Batching, batching_of, read_platforms
from taxiway.wire import message


def parameters(text: str) -> Any:
    return text_format.Parse(text, message("tensorflow.serving.BatchingParameters")())


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "file.pbtxt"
    path.write_text(text)
    return str(path)


@pytest.mark.tfs("flags-tags", "flags-loading")
def test_flags_describe_one_platform() -> None:
    platforms = read_platforms(
        defaults()
        | {"saved_model_tags": "serve,tpu", "num_request_iterations_for_warmup": 3, "prefer_tflite_model": True,
           "num_tflite_pools": 5, "per_process_gpu_memory_fraction": 0.5, "enable_model_warmup": False}
    )  # fmt: skip
    assert list(platforms) == ["tensorflow"]
    platform = platforms["tensorflow"]
    assert platform.tags == ("serve", "tpu")
    assert (platform.warm_up.enabled, platform.warm_up.iterations) == (False, 3)
    assert (platform.tflite.preferred, platform.tflite.pools, platform.tflite.interpreters_per_pool) == (True, 5, 1)
    assert platform.session.gpu_memory_fraction == 0.5
    assert platform.batching is None


@pytest.mark.tfs("flags-session")
@pytest.mark.parametrize(
    ("both", "intra", "inter", "expected"),
    [(0, 0, 0, (0, 0)), (4, 0, 0, (4, 4)), (0, 3, 0, (3, 0)), (0, 0, 2, (0, 2)), (4, 3, 0, (3, 0)), (0, 3, 2, (3, 2))],
)
def test_thread_flags(both: int, intra: int, inter: int, expected: tuple[int, int]) -> None:
    session = read_platforms(defaults() | parallelism(both, intra, inter))["tensorflow"].session
    assert (session.intra_op_threads, session.inter_op_threads) == expected


def parallelism(both: int, intra: int, inter: int) -> dict[str, int]:
    return {
        "tensorflow_session_parallelism": both,
        "tensorflow_intra_op_parallelism": intra,
        "tensorflow_inter_op_parallelism": inter,
    }


@pytest.mark.tfs("flags-session")
def test_all_three_thread_flags_contradict_each_other() -> None:
    with pytest.raises(InvalidArgument, match="^Either configure server_options.tensorflow_session_parallelism or "):
        read_platforms(defaults() | parallelism(1, 1, 1))


@pytest.mark.tfs("file-session")
def test_a_session_config_file_holds_unless_a_flag_says_otherwise(tmp_path: Path) -> None:
    text = "intra_op_parallelism_threads: 6 gpu_options { allow_growth: true }"
    values = defaults() | {"tensorflow_session_config_file": written(tmp_path, text)}
    session = read_platforms(values)["tensorflow"].session
    assert (session.intra_op_threads, session.gpu_allow_growth) == (6, True)
    assert read_platforms(values | parallelism(2, 0, 0))["tensorflow"].session.intra_op_threads == 2


@pytest.mark.tfs("flags-batching", "batch-pool-name")
def test_batching_without_a_file_has_the_defaults_and_the_servers_pool_name() -> None:
    platform = read_platforms(defaults() | {"enable_batching": True})["tensorflow"]
    assert platform.batching == batching_of(parameters('thread_pool_name { value: "model_server_batch_threads" }'))
    assert platform.batching.max_batch_rows == 1000


@pytest.mark.tfs("file-batching", "batch-threads")
def test_batching_from_a_file(tmp_path: Path) -> None:
    text = "max_batch_size { value: 8 } allowed_batch_sizes: [2, 8] num_batch_threads: { value: 3 }"
    values = defaults() | {"enable_batching": True, "batching_parameters_file": written(tmp_path, text)}
    platform = read_platforms(values | {"enable_per_model_batching_parameters": True})["tensorflow"]
    assert platform.batching == Batching(8, 0, 10, 3, "batch_threads", (2, 8), False, False, 8)
    assert platform.batching_per_model


@pytest.mark.tfs("start-batching-file")
def test_a_batching_file_without_batching_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_platforms(defaults() | {"batching_parameters_file": "/absent"})
    assert caught.value.message == (
        "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
    )


@pytest.mark.parametrize(
    ("text", "rows", "execution"),
    [
        ("max_enqueued_batches { value: 0 }", 1000, 1000),
        ("max_execution_batch_size { value: 4 }", 1000, 1000),
        ("enable_large_batch_splitting { value: true } max_execution_batch_size { value: 4 }", 1000, 4),
        ("enable_large_batch_splitting { value: true } max_batch_size { value: 9 }", 9, 9),
        (("enable_large_batch_splitting { value: true } max_batch_size { value: 8 } "
         "max_execution_batch_size { value: 4 } allowed_batch_sizes: [2, 4]"), 8, 4),
    ],
)  # fmt: skip
def test_batch_sizes(text: str, rows: int, execution: int) -> None:
    batching = batching_of(parameters(text))
    assert (batching.max_batch_rows, batching.max_execution_batch_rows) == (rows, execution)
    assert batching.max_enqueued_batches in (1, 10)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("max_batch_size { value: 4 } allowed_batch_sizes: [1, 2]",
         "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 2; expected 4"),
        ("allowed_batch_sizes: 2", "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 2; expected 1000"),
        ("max_batch_size { value: 2 } allowed_batch_sizes: [2, 2]", "allowed_batch_sizes entries must be monotonically increasing"),
        ("max_batch_size { value: 0 }", "max_batch_size must be positive; was 0"),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
    ],
)  # fmt: skip
def test_sizes_that_contradict_each_other_are_refused(text: str, error: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        batching_of(parameters(text))
    assert caught.value.message == error


PLATFORMS = """
platform_configs { key: "%s" value { source_adapter_config {
  [type.googleapis.com/tensorflow.serving.%s] { %s }
} } }
"""


@pytest.mark.tfs("flags-platform", "file-platform")
def test_a_platform_file_replaces_the_flags(tmp_path: Path) -> None:
    text = PLATFORMS % (
        "mine",
        "SavedModelBundleSourceAdapterConfig",
        (
            "legacy_config { batching_parameters { max_batch_size { value: 8 } } saved_model_tags: 'gpu' "
            "enable_model_warmup: true session_config { inter_op_parallelism_threads: 7 } }"
        ),
    )
    values = defaults() | {"platform_config_file": written(tmp_path, text), "batching_parameters_file": "/ignored"}
    platform = read_platforms(values)["mine"]
    assert platform.batching is not None and platform.batching.max_batch_rows == 8
    assert (platform.tags, platform.session.inter_op_threads, platform.warm_up.enabled) == (("gpu",), 7, True)


def test_an_adapter_of_another_type_is_refused(tmp_path: Path) -> None:
    text = PLATFORMS % ("mine", "SSLConfig", "")
    with pytest.raises(InvalidArgument, match="Platform mine has a source adapter of a type that is not supported"):
        read_platforms(defaults() | {"platform_config_file": written(tmp_path, text)})
