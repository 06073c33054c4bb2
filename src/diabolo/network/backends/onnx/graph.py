"""An ONNX graph that grows node by node, and the weights of a layer in it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Graph:
    """Nodes and constants, one after the other; `end` is the name of the latest output."""

    def __init__(self, start: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.end = start
        self._count = 0
        self._known: set[str] = set()

    def add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """Append a node that takes `end` and then `inputs`."""
        (self.end,) = self.aside(operator, self.end, *inputs, **attributes)

    def aside(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Append a node that takes `inputs` and not the end; return the names of its outputs."""
        self._count += 1
        names = [f"{operator.lower()}_{self._count}_{output}" for output in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def constant(self, name: str, value: Any) -> str:
        """Keep an array in the graph and return its name; once, also where layers are used several times."""
        if name not in self._known:
            self.constants.append(numpy_helper.from_array(np.asarray(value), name))
            self._known.add(name)
        return name

    def unnamed(self, value: np.ndarray[Any, Any]) -> str:
        """Keep an array under a name of its own and return it."""
        self._count += 1
        return self.constant(f"constant_{self._count}", value)

    def integers(self, *values: int) -> str:
        """Keep a list of whole numbers in the graph and return its name."""
        self._count += 1
        return self.constant(f"integers_{self._count}", np.array(values, np.int64))


class Constants:
    """The weights of a layer: `weights["kernel"]` puts one into a graph as it is and gives its name there."""

    def __init__(self, graph: Graph, layer: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self._graph, self._layer, self.arrays = graph, layer, arrays

    def __getitem__(self, weight: str) -> str:
        return self.put(weight, self.arrays[weight])

    def put(self, weight: str, value: Any) -> str:
        """Put an array into the graph under the layer's name, and return its own."""
        return self._graph.constant(f"{self._layer}/{weight}", np.asarray(value, np.float32, order="C"))
