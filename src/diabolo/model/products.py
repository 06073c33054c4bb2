"""Products of matrices of float32: by NumPy, or for wide ones by ONNX Runtime.

NumPy's BLAS does not know every processor: on those that it does not know it leaves half of the vector units unused,
where ONNX Runtime uses all. A call of ONNX Runtime takes longer, so that it pays for wide matrices only.
"""

from typing import Any

import numpy as np

from diabolo.model import privacy

Array = np.ndarray[Any, np.dtype[np.float32]]


class Products:
    """The three products of a dense layer, in NumPy."""

    def affine(self, rows: Array, kernel: Array, bias: Array) -> Array:
        """Return rows @ kernel + bias."""
        found = rows @ kernel
        found += bias
        return found

    def left_transposed(self, left: Array, right: Array, *, out: Array) -> None:
        """Write left.T @ right into `out`."""
        np.matmul(left.T, right, out=out)

    def right_transposed(self, left: Array, right: Array) -> Array:
        """Return left @ right.T."""
        return np.asarray(left @ right.T)


class WideProducts(Products):
    """The same by ONNX Runtime, on one core: for products of this size, threads only wait for each other."""

    def __init__(self) -> None:
        self._plain = _product()
        self._affine = _product(bias=True)
        self._left_transposed = _product(transA=1)
        self._right_transposed = _product(transB=1)

    def plain(self, left: Array, right: Array) -> Array:
        """Return left @ right."""
        found: Array = self._plain.run(["c"], {"a": left, "b": right})[0]
        return found

    def affine(self, rows: Array, kernel: Array, bias: Array) -> Array:
        """Return rows @ kernel + bias."""
        found: Array = self._affine.run(["c"], {"a": rows, "b": kernel, "bias": bias})[0]
        return found

    def left_transposed(self, left: Array, right: Array, *, out: Array) -> None:
        """Write left.T @ right into `out`."""
        out[:] = self._left_transposed.run(["c"], {"a": left, "b": right})[0]

    def right_transposed(self, left: Array, right: Array) -> Array:
        """Return left @ right.T."""
        found: Array = self._right_transposed.run(["c"], {"a": left, "b": right})[0]
        return found


def _product(*, bias: bool = False, **transposed: int) -> Any:
    """Return a session that computes one product."""
    onnxruntime = privacy.import_onnxruntime()
    from onnx import TensorProto, helper

    inputs = {"a": [None, None], "b": [None, None]} | ({"bias": [None]} if bias else {})
    graph = helper.make_graph(
        [helper.make_node("Gemm", list(inputs), ["c"], **transposed)],
        "product",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [None, None])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
