from __future__ import annotations

import pytest

from taxiway.serve.tfserving.flags import FLAGS, OURS, THEIRS, Type, Value, defaults
from taxiway.serve.tfserving.syntax import parse, usage


@pytest.mark.tfs("flag-syntax")
@pytest.mark.parametrize(
    ("argument", "flag", "value"),
    [
        ("--port=9000", "port", 9000),
        ("--port= 9000", "port", 9000),
        ("--port=+9000", "port", 9000),
        ("--file_system_poll_wait_seconds=-1", "file_system_poll_wait_seconds", -1),
        ("--load_retry_interval_micros=99999999999", "load_retry_interval_micros", 99_999_999_999),
        ("--enable_batching", "enable_batching", True),
        ("--enable_batching=true", "enable_batching", True),
        ("--enable_batching=TRUE", "enable_batching", True),
        ("--enable_batching=1", "enable_batching", True),
        ("--enable_model_warmup=False", "enable_model_warmup", False),
        ("--enable_model_warmup=0", "enable_model_warmup", False),
        ("--model_name=a=b", "model_name", "a=b"),
        ("--model_name=", "model_name", ""),
        ("--per_process_gpu_memory_fraction=.5", "per_process_gpu_memory_fraction", 0.5),
        ("--per_process_gpu_memory_fraction=1e-1", "per_process_gpu_memory_fraction", 0.1),
    ],
)
def test_a_flag_takes_its_value(argument: str, flag: str, value: Value) -> None:
    parsed = parse([argument])
    assert parsed.values == defaults() | {flag: value}
    assert not parsed.unknown and not parsed.errors


@pytest.mark.tfs("flag-bad-value")
@pytest.mark.parametrize(
    "argument",
    ["--port=", "--port=x", "--port=1 ", "--port=1.0", "--port=0x10", "--port=2147483648", "--enable_batching=",
     "--enable_batching=yes", "--per_process_gpu_memory_fraction=1_0", "--tensorflow_session_parallelism=1L"],
)  # fmt: skip
def test_a_value_of_another_type_is_an_error(argument: str) -> None:
    parsed = parse([argument])
    name, _, text = argument.removeprefix("--").partition("=")
    assert parsed.errors == (f"Couldn't interpret value {text} for flag {name}.",)
    assert parsed.values == defaults()


@pytest.mark.tfs("flag-unknown")
@pytest.mark.parametrize(
    "arguments",
    [["--port", "9000"], ["-port=9000"], ["port=9000"], ["--ports=9000"], ["--Port=9000"], ["--model_name"],
     ["--enable_batching_now"], ["--no-enable_batching"], [""], ["--"], ["--", "--port=9000"]],
)  # fmt: skip
def test_anything_else_is_unknown_and_changes_nothing(arguments: list[str]) -> None:
    parsed = parse(arguments)
    assert parsed.unknown == tuple(arguments)
    assert parsed.values == defaults() and not parsed.errors


def test_the_last_of_a_repeated_flag_holds() -> None:
    assert parse(["--port=1", "--port=2"]).values["port"] == 2


@pytest.mark.tfs("flag-help")
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [(["--help"], True), (["--port=1", "--help"], True), (["extra", "--help"], False), (["--help=true"], False)],
)
def test_help_is_the_first_unknown_argument(arguments: list[str], wanted: bool) -> None:
    assert parse(arguments).wants_help is wanted


def test_the_table_holds_the_48_flags_and_ours_apart() -> None:
    assert len(THEIRS) == 48
    names = [flag.name for flag in FLAGS]
    assert len(set(names)) == len(names) == 48 + len(OURS)
    assert {flag.mark for flag in THEIRS} <= {"A", "B", "C"}
    python_type = {Type.INT32: int, Type.INT64: int, Type.FLOAT: float, Type.BOOL: bool, Type.STRING: str}
    assert all(type(flag.value) is python_type[flag.type] for flag in FLAGS)


def test_the_usage_text_has_a_line_for_each_flag() -> None:
    lines = usage("taxiway-model-server").splitlines()
    assert lines[:2] == ["usage: taxiway-model-server", "Flags:"]
    assert lines[2] == "\t--port=8500                      \tint32\tTCP port for gRPC; 0 turns it off."
    assert [line.split("=")[0].strip() for line in lines[2:]] == [f"--{flag.name}" for flag in FLAGS]
    assert '\t--model_name="default"           \tstring\t' in usage("x")
    assert "\t--per_process_gpu_memory_fraction=0.000000\tfloat\t" in usage("x")
