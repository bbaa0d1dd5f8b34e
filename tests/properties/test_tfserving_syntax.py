from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taxiway.serve.tfserving.flags import FLAGS, Flag, Type, Value, defaults
from taxiway.serve.tfserving.syntax import parse

TEXT = st.text("a1=-_ é\n\"'", max_size=12)
VALUES = {
    Type.INT32: st.integers(-(2**31), 2**31 - 1),
    Type.INT64: st.integers(-(2**63), 2**63 - 1),
    Type.FLOAT: st.floats(0, 1),
    Type.BOOL: st.booleans(),
    Type.STRING: TEXT,
}
BY_NAME = {flag.name: flag for flag in FLAGS}


def written(flag: Flag, value: Value) -> str:
    return f"--{flag.name}={value}"


given_flags = st.lists(
    st.sampled_from(FLAGS).flatmap(lambda flag: st.tuples(st.just(flag), VALUES[flag.type])), max_size=20
)


@given(given_flags)
def test_what_is_written_is_read(flags: list[tuple[Flag, Value]]) -> None:
    parsed = parse([written(flag, value) for flag, value in flags])
    assert parsed.values == defaults() | {flag.name: value for flag, value in flags}
    assert not parsed.unknown and not parsed.errors


@given(given_flags, st.lists(TEXT.filter(lambda text: not text.startswith("--")), max_size=5), st.randoms())
def test_unknown_arguments_change_nothing(flags: list[tuple[Flag, Value]], others: list[str], random: object) -> None:
    known = [written(flag, value) for flag, value in flags]
    mixed = list(known)
    for other in others:
        mixed.insert(random.randint(0, len(mixed)), other)  # type: ignore[attr-defined]
    parsed = parse(mixed)
    assert parsed.values == parse(known).values
    assert sorted(parsed.unknown) == sorted(others)


@given(st.lists(TEXT | st.sampled_from(FLAGS).flatmap(lambda flag: TEXT.map(f"--{flag.name}=".__add__))))
def test_every_command_line_is_read_without_a_fault(arguments: list[str]) -> None:
    parsed = parse(arguments)
    assert parsed.values.keys() == BY_NAME.keys()
    assert len(parsed.unknown) + len(parsed.errors) <= len(arguments)
