"""Einsum as transpositions and one product of matrices: the wasm backend has no Einsum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from taxiway.browser.convert.nodes import Draft, Graph, Node, Shapes

__all__ = ["einsum_as_products"]

_INT32, _FLOAT = 3, 1


@dataclass(frozen=True)
class _Equation:
    """An equation over two operands, its letters by what becomes of them."""

    first: str
    second: str
    result: str
    batch: str
    kept_of_first: str
    summed: str
    kept_of_second: str


def einsum_as_products(graph: Graph, shapes: Shapes) -> Graph:
    """Write each Einsum of two operands as Transpose, Reshape and BatchMatMulV2.

    One with another number of operands, a letter twice in an operand, or a letter that is summed in one operand
    alone stays as it is.

    Args:
        graph: the graph.
        shapes: what is known of the operands; a size that is not is looked up when the graph runs.
    """
    draft = Draft(graph)
    for node in draft.of("Einsum"):
        operands = [shapes.get(name.partition(":")[0]) for name in node.input]
        equation = _equation(node.attr["equation"].s.decode(), [None if one is None else len(one) for one in operands])
        if equation is not None and all(one is not None for one in operands):
            _Product(draft, node, equation, dict(zip(node.input, operands, strict=True))).write()  # type: ignore[arg-type]
    return draft.graph


def _equation(text: str, ranks: list[int | None]) -> _Equation | None:
    operands, _, result = text.replace(" ", "").partition("->")
    parts = operands.split(",")
    if len(parts) != 2 or "." in text or "->" not in text:
        return None
    first, second = parts
    if any(len(set(part)) != len(part) for part in (first, second, result)) or [len(first), len(second)] != ranks:
        return None
    both = set(first) & set(second)
    if (set(first) ^ set(second)) - set(result):
        return None
    return _Equation(
        first=first,
        second=second,
        result=result,
        batch="".join(one for one in first if one in both and one in result),
        kept_of_first="".join(one for one in first if one not in both),
        summed="".join(one for one in first if one in both and one not in result),
        kept_of_second="".join(one for one in second if one not in both),
    )


class _Product:
    """What stands for one Einsum: its operands as matrices, their product, and that as the result."""

    def __init__(
        self, draft: Draft, node: Node, equation: _Equation, shapes: dict[str, tuple[int | None, ...]]
    ) -> None:
        self.draft, self.node, self.equation = draft, node, equation
        self.first, self.second = node.input
        self.number = node.attr["T"].type
        # Where each letter's size can be read: the operand and its axis, and the size itself when it is known.
        self.sizes: dict[str, tuple[str, int, int | None]] = {}
        for name, letters in ((self.second, equation.second), (self.first, equation.first)):
            for axis, letter in enumerate(letters):
                known = shapes[name][axis]
                if known is not None or letter not in self.sizes or self.sizes[letter][2] is None:
                    self.sizes[letter] = (name, axis, known)

    def write(self) -> None:
        equation = self.equation
        left = self._matrix(self.first, equation.first, equation.kept_of_first, equation.summed)
        right = self._matrix(self.second, equation.second, equation.summed, equation.kept_of_second)
        product = self._add("product", "BatchMatMulV2", [left, right], T=self.number)
        letters = equation.batch + equation.kept_of_first + equation.kept_of_second
        if len(equation.kept_of_first) != 1 or len(equation.kept_of_second) != 1:
            product = self._reshaped(product, [*letters])
        order = [letters.index(letter) for letter in equation.result]
        wanted = self.draft.add_constant(f"{self.node.name}/order", np.array(order, np.int32))
        self.draft.change(self.node, "Transpose", [product, wanted], T=self.number, Tperm=_INT32)

    def _matrix(self, name: str, letters: str, rows: str, columns: str) -> str:
        """An operand as matrices [batch…, rows, columns]."""
        wanted = self.equation.batch + rows + columns
        if wanted != letters:
            order = np.array([letters.index(letter) for letter in wanted], np.int32)
            name = self._add(
                "transposed", "Transpose", [name, self._constant("order", order)], T=self.number, Tperm=_INT32
            )
        if len(rows) == 1 and len(columns) == 1:
            return name
        return self._reshaped(name, [*self.equation.batch, rows, columns])

    def _reshaped(self, name: str, groups: list[str]) -> str:
        """The same numbers with one axis for each group of letters."""
        sizes = [self._known(group) for group in groups]
        if sizes.count(None) <= 1:
            shape = self._constant("shape", np.array([-1 if size is None else size for size in sizes], np.int32))
        else:
            axis = self._constant("axis", np.zeros((), np.int32))
            parts = [self._size(group) for group in groups]
            shape = self._add("shape", "ConcatV2", [*parts, axis], T=_INT32, Tidx=_INT32)
            self.draft.nodes[shape].attr["N"].i = len(parts)
        return self._add("reshaped", "Reshape", [name, shape], T=self.number, Tshape=_INT32)

    def _known(self, group: str) -> int | None:
        sizes = [self.sizes[letter][2] for letter in group]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def _size(self, group: str) -> str:
        """A list of one number: how many elements a group of letters has."""
        known = self._known(group)
        if known is not None:
            return self._constant("size", np.array([known], np.int32))
        axis = self._constant("axis", np.zeros((), np.int32))
        parts = []
        for letter in group:
            operand, index, _ = self.sizes[letter]
            shape = self._add("shape", "Shape", [operand], T=self.number, out_type=_INT32)
            wanted = self._constant("index", np.array([index], np.int32))
            parts.append(
                self._add("size", "GatherV2", [shape, wanted, axis], Tparams=_INT32, Tindices=_INT32, Taxis=_INT32)
            )
        while len(parts) > 1:
            parts = [self._add("size", "Mul", parts[:2], T=_INT32), *parts[2:]]
        return parts[0]

    def _add(self, wish: str, op: str, inputs: list[str], **attributes: int | bool) -> str:
        return self.draft.add(f"{self.node.name}/{wish}", op, inputs, **attributes)

    def _constant(self, wish: str, array: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> str:
        return self.draft.add_constant(f"{self.node.name}/{wish}", array)
