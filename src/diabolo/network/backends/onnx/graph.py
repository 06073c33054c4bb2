"""An ONNX graph that grows node by node, and the weights of a layer in it."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

from diabolo.network.tensors import Array

Attribute: TypeAlias = int | float | str | Sequence[int]  # of an ONNX node


class Graph:
    """Nodes and constants in their order; `end` is the name of the latest output."""

    def __init__(self, start: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.end = start
        self._count = 0
        self._known: set[str] = set()

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> None:
        """Append a node that takes `end` and then `inputs`."""
        (self.end,) = self.aside(operator, self.end, *inputs, outputs=1, **attributes)

    def aside(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Attribute) -> list[str]:
        """Append a node that takes `inputs` and not the end; return the names of its outputs."""
        self._count += 1
        names = [f"{operator.lower()}_{self._count}_{output}" for output in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def constant(self, name: str, value: Array | float) -> str:
        """Keep an array in the graph and return its name; once, also where layers are used several times."""
        if name not in self._known:
            self.constants.append(numpy_helper.from_array(np.asarray(value), name))
            self._known.add(name)
        return name

    def unnamed(self, value: Array) -> str:
        """Keep an array in the graph under a new name and return the name."""
        self._count += 1
        return self.constant(f"constant_{self._count}", value)

    def integers(self, *values: int) -> str:
        """Keep a list of whole numbers in the graph and return its name."""
        self._count += 1
        return self.constant(f"integers_{self._count}", np.array(values, np.int64))


class Constants:
    """The weights of a layer: `weights["kernel"]` puts one into a graph as it is and returns its name there."""

    def __init__(self, graph: Graph, layer: str, arrays: Mapping[str, Array]) -> None:
        self._graph, self._layer, self.arrays = graph, layer, arrays

    def __getitem__(self, weight: str) -> str:
        return self.put(weight, self.arrays[weight])

    def put(self, weight: str, value: Array | np.float32) -> str:
        """Put an array into the graph under the name of the layer, and return its full name."""
        return self._graph.constant(f"{self._layer}/{weight}", np.asarray(value, np.float32, order="C"))
