"""The checks themselves can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import hosts, pins, sizes

DIGEST = "--hash=sha256:" + "0" * 64
PROJECT = {"name": "taxiway", "dependencies": ["numpy>=2"], "optional-dependencies": {"x": ["taxiway[y]", "Six"]}}


def test_a_long_function_is_refused_and_its_docstring_does_not_count() -> None:
    long = "def f():\n" + "    x = 1\n" * sizes.FUNCTION_LINES
    assert [sentence for _, sentence in sizes.function_problems(long)] == ["f has 61 lines, over 60"]
    told = 'def f():\n    """A\n\n\n    story."""\n' + "    x = 1\n" * (sizes.FUNCTION_LINES - 1)
    assert list(sizes.function_problems(told)) == []


def test_many_parameters_are_refused() -> None:
    assert list(sizes.function_problems("class A:\n    def f(self, a, b, c, d, e, g): ...\n")) == []
    assert len(list(sizes.function_problems("def f(a, b, c, d, e, g, h): ...\n"))) == 1
    assert len(list(sizes.function_problems("def f(*, a, b, c, d, e, g, h, i, j, k, l): ...\n"))) == 1


def test_a_long_file_is_refused_in_every_language() -> None:
    assert list(sizes.problems(Path("a.rs"), "\n" * 400)) == []
    assert list(sizes.problems(Path("a.rs"), "\n" * 401)) == ["a.rs: 401 lines, over 400"]


def test_good_pins_pass() -> None:
    text = f"# told\nnumpy==2.0 ; python_full_version < '3.11' \\\n    {DIGEST} \\\n    {DIGEST}\nsix==1.17.0 \\\n    {DIGEST}\n"
    assert pins.problems(text, PROJECT) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"numpy==2.0 {DIGEST}\n", "six is required by pyproject.toml and not pinned"),
        (f"numpy==1.9 {DIGEST}\nsix==1 {DIGEST}\n", "numpy==1.9 does not meet numpy>=2"),
        (f"numpy==2.0\nsix==1 {DIGEST}\n", "not `name==version"),
        (f"numpy @ https://host/numpy.whl {DIGEST}\nsix==1 {DIGEST}\n", "not `name==version"),
        (f"--index-url https://host/\nnumpy==2.0 {DIGEST}\nsix==1 {DIGEST}\n", "not `name==version"),
    ],
)
def test_bad_pins_are_refused(text: str, sentence: str) -> None:
    assert any(problem.startswith(sentence) for problem in pins.problems(text, PROJECT))


def test_a_registrys_host_is_seen() -> None:
    assert hosts.HOSTS.search(b"https://py" + b"pi.org/simple")
    assert hosts.HOSTS.search(b"files.python" + b"hosted.org")
    assert not hosts.HOSTS.search(b"installed from PyPI")
