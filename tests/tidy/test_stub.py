"""`_server.pyi` says what the compiled module is: the same names, the same parameters, both ways."""

from __future__ import annotations

import ast
import inspect
import types
from pathlib import Path
from typing import Any

import pytest

_server: Any = pytest.importorskip("taxiway._server", reason="the extension is not built: make setup")
STUB = ast.parse((Path(__file__).parents[2] / "src" / "taxiway" / "_server.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}


def parameters(function: ast.FunctionDef) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def members(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}


def public(thing: Any) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_module_has_the_stubs_names_and_no_others() -> None:
    assert public(_server) == CLASSES.keys() | FUNCTIONS.keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_what_the_stub_says(name: str) -> None:
    assert list(inspect.signature(getattr(_server, name)).parameters) == parameters(FUNCTIONS[name])


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "ServerError"])
def test_a_class_has_the_stubs_members_and_no_others(name: str) -> None:
    wanted = {member for member in members(CLASSES[name]) if not member.startswith("_")}
    assert public(getattr(_server, name)) == wanted


@pytest.mark.parametrize(
    ("owner", "member"),
    [(name, member) for name, node in CLASSES.items() for member in members(node) if member != "__init__"],
)
def test_a_method_takes_what_the_stub_says(owner: str, member: str) -> None:
    stub, real = members(CLASSES[owner])[member], inspect.getattr_static(getattr(_server, owner), member)
    if any(isinstance(each, ast.Name) and each.id == "property" for each in stub.decorator_list):
        assert isinstance(real, types.GetSetDescriptorType)
    else:
        assert list(inspect.signature(real).parameters) == parameters(stub)


@pytest.mark.parametrize("name", [name for name, node in CLASSES.items() if "__init__" in members(node)])
def test_a_constructor_takes_what_the_stub_says(name: str) -> None:
    stub = parameters(members(CLASSES[name])["__init__"])
    assert list(inspect.signature(getattr(_server, name)).parameters) == stub[1:]


def test_a_refusal_is_an_exception() -> None:
    assert issubclass(_server.ServerError, Exception)
