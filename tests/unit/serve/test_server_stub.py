"""The stub of the compiled module says what the module has, no more and no less."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import taxiway


@pytest.fixture(name="module")
def compiled_module() -> ModuleType:
    module = pytest.importorskip("taxiway._server")
    assert isinstance(module, ModuleType)
    return module


def stub() -> ast.Module:
    return ast.parse((Path(taxiway.__file__).parent / "_server.pyi").read_text(encoding="utf-8"))


def parameters(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]


def callables(body: list[ast.stmt]) -> dict[str, list[str] | None]:
    """Name → parameters; None for a property."""
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    return {node.name: None if node.decorator_list else parameters(node) for node in functions}


def test_the_names_are_the_same(module: ModuleType) -> None:
    stubbed = {node.name for node in stub().body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert stubbed == {name for name in vars(module) if not name.startswith("_")}


def test_every_method_has_the_parameters_the_stub_says(module: ModuleType) -> None:
    classes = [node for node in stub().body if isinstance(node, ast.ClassDef) and node.name != "ServerError"]
    assert classes
    for node in classes:
        compiled = getattr(module, node.name)
        stubbed = callables(node.body)
        constructor = stubbed.pop("__init__", None)
        if constructor is not None:
            assert list(inspect.signature(compiled).parameters) == constructor[1:]
        assert set(stubbed) == {name for name in vars(compiled) if not name.startswith("_")}
        for name, expected in stubbed.items():
            member = inspect.getattr_static(compiled, name)
            assert inspect.isdatadescriptor(member) == (expected is None), name
            if expected is not None:
                assert list(inspect.signature(member).parameters) == expected, name


def test_a_refusal_carries_its_kind(module: ModuleType) -> None:
    with pytest.raises(module.ServerError) as refused:
        module.Server("{}")
    kind, message = refused.value.args
    assert kind == "INVALID_ARGUMENT"
    assert message.startswith("not a server's configuration: missing field")
