"""Settings are changed in a file, and everything else in it stays as it was."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from taxiway.errors import FailedPrecondition, InvalidArgument
from taxiway.settings.write import changed, toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEPT = """\
# Ours.
[server]
host = "127.0.0.1"   # nobody else

[models.digits]
source = "models/digits"
"engine" = "tensorflow"

# The other one.
[models."a b"]
source = "models/ab"
"""


def test_values_are_replaced_and_added_and_the_rest_stays() -> None:
    text = changed(KEPT, ("models", "digits"), {"engine": "litert", "batching": {"max_batch_size": 32}})
    assert text == KEPT.replace('"engine" = "tensorflow"', 'engine = "litert"\nbatching = { max_batch_size = 32 }')


def test_a_comment_behind_a_value_stays() -> None:
    text = changed('[server]\nhost = "a#b"  # "ours"\n', ("server",), {"host": "c"})
    assert text == '[server]\nhost = "c"  # "ours"\n'


def test_a_section_is_added_at_the_end() -> None:
    assert (
        changed(KEPT + "\n\n", ("models", "x.y"), {"engine": "litert"})
        == KEPT + '\n[models."x.y"]\nengine = "litert"\n'
    )
    assert changed("", ("server",), {"io_threads": 1}) == "[server]\nio_threads = 1\n"


def test_a_section_with_a_quoted_name_is_found() -> None:
    text = changed(KEPT, ("models", "a b"), {"engine": "litert"})
    assert text == KEPT + 'engine = "litert"\n'


@pytest.mark.parametrize(
    "text",
    [
        '[models]\ndigits = { source = "m" }\n',
        'models.digits.source = "m"\n',
        '[models.digits]\nbatching = {\n max_batch_size = 3 }\nsource = "m"\n',
        '[models.digits]\nsource = """\n[models.digits]\n"""\n[models]\ndigits.x = 1\n',
    ],
)
def test_what_cannot_be_changed_in_its_place_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises((FailedPrecondition, InvalidArgument)) as refused:
        changed(text, ("models", "digits"), {"batching": "off"})
    if isinstance(refused.value, FailedPrecondition):
        assert refused.value.hint == 'Write by hand, under [models.digits]: batching = "off"'


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="not TOML"):
        changed("[", ("server",), {})


@pytest.mark.parametrize("value", [1, 0.5, True, 'a"\\\n\x7fé', [1, 2], {"a": 1, "b c": [True]}, {}, 1e30])
def test_a_value_is_read_back_as_it_was(value: Any) -> None:
    assert tomllib.loads(f"v = {toml(value)}")["v"] == value
