"""Numbers in an ONNX graph, with which formulas are written as in NumPy."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from diabolo.network.backends.onnx.graph import Attribute, Graph
from diabolo.network.tensors import Array

Operand: TypeAlias = "Values | Array | float"


class Values:
    """The output of a node, (n, ...); the first axis is the batch. Each operation adds nodes to the graph."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def apply(self, operator: str, *others: str, **attributes: Attribute) -> "Values":
        """Return the output of an ONNX operator, whose inputs are these values and the tensors named `others`."""
        return Values(self.graph, self.graph.aside(operator, self.name, *others, outputs=1, **attributes)[0])

    def constant(self, value: Array | float) -> "Values":
        """Return an array or a number as values of the same graph, float32."""
        return Values(self.graph, self.graph.unnamed(np.asarray(value, np.float32)))

    def _with(self, operator: str, other: Operand, *, reverse: bool = False) -> "Values":
        other = other if isinstance(other, Values) else self.constant(other)
        first, second = (other, self) if reverse else (self, other)
        return first.apply(operator, second.name)

    def __add__(self, other: Operand) -> "Values":
        return self._with("Add", other)

    def __sub__(self, other: Operand) -> "Values":
        return self._with("Sub", other)

    def __rsub__(self, other: Operand) -> "Values":
        return self._with("Sub", other, reverse=True)

    def __mul__(self, other: Operand) -> "Values":
        return self._with("Mul", other)

    def __truediv__(self, other: Operand) -> "Values":
        return self._with("Div", other)

    def __matmul__(self, other: Operand) -> "Values":
        return self._with("MatMul", other)

    def __lt__(self, other: Operand) -> "Values":
        return self._with("Less", other)

    def abs(self) -> "Values":
        """Return absolute values."""
        return self.apply("Abs")

    def exp(self) -> "Values":
        """Return exponentials."""
        return self.apply("Exp")

    def log(self) -> "Values":
        """Return natural logarithms."""
        return self.apply("Log")

    def sqrt(self) -> "Values":
        """Return square roots."""
        return self.apply("Sqrt")

    def sign(self) -> "Values":
        """Return -1, 0 or 1."""
        return self.apply("Sign")

    def sigmoid(self) -> "Values":
        """Return 1 / (1 + exp(-x))."""
        return self.apply("Sigmoid")

    def softplus(self) -> "Values":
        """Return log(1 + exp(x))."""
        return self.apply("Softplus")

    def softmax(self) -> "Values":
        """Return probabilities along the last axis."""
        return self.apply("Softmax", axis=-1)

    def sum(self, axis: int) -> "Values":
        """Return sums along an axis, which stays with size 1."""
        return self.apply("ReduceSum", self.graph.integers(axis), keepdims=1)

    def mean(self, axis: int) -> "Values":
        """Return means along an axis, which stays with size 1."""
        return self.apply("ReduceMean", self.graph.integers(axis), keepdims=1)

    def reshape(self, *shape: int) -> "Values":
        """Return the same numbers under other axes; one size may be -1."""
        return self.apply("Reshape", self.graph.integers(*shape))

    def shaped_as(self, other: "Values") -> "Values":
        """Return the same numbers under the axes of `other`."""
        return self.apply("Reshape", other.apply("Shape").name)

    def expand(self, axis: int) -> "Values":
        """Return the same numbers with one more axis, of size 1."""
        return self.apply("Unsqueeze", self.graph.integers(axis))

    def transposed(self) -> "Values":
        """Return (n, a, b) as (n, b, a)."""
        return self.apply("Transpose", perm=[0, 2, 1])

    def clip(self, low: float | None, high: float | None) -> "Values":
        """Return numbers within these bounds; None: no bound."""
        ends = ["" if end is None else self.constant(end).name for end in (low, high)]
        return self.apply("Clip", *ends)

    def columns(self, start: int, end: int) -> "Values":
        """Return the columns from `start` to before `end`: (n, d) -> (n, end - start)."""
        starts, ends, axes = (self.graph.integers(each) for each in (start, end, 1))
        return self.apply("Slice", starts, ends, axes)

    def take(self, places: Sequence[int], axis: int) -> "Values":
        """Return the numbers at these places of an axis."""
        return self.apply("Gather", self.graph.integers(*places), axis=axis)

    def followed_by(self, *others: "Values", axis: int) -> "Values":
        """Return these and others joined along an axis."""
        return self.apply("Concat", *(other.name for other in others), axis=axis)

    def where(self, condition: "Values", other: "Values") -> "Values":
        """Return these values where the condition holds, else the others."""
        return condition.apply("Where", self.name, other.name)
