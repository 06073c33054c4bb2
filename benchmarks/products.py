"""GFLOP/s of large products of float32 on all cores, by each library at hand: `python -m benchmarks.products`."""

import statistics
import time
from collections.abc import Callable

import numpy as np

SIZE = 2048


def by_numpy() -> Callable[[], object]:
    left, right = (np.random.default_rng(seed).normal(size=(SIZE, SIZE)).astype(np.float32) for seed in (0, 1))
    return lambda: left @ right


def by_onnxruntime() -> Callable[[], object]:
    import onnxruntime
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIZE, SIZE]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", ends[:2], ends[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    left, right = (np.random.default_rng(seed).normal(size=(SIZE, SIZE)).astype(np.float32) for seed in (0, 1))
    return lambda: session.run(["c"], {"a": left, "b": right})


def by_tensorflow() -> Callable[[], object]:
    import tensorflow as tf

    left, right = tf.random.normal((SIZE, SIZE), seed=0), tf.random.normal((SIZE, SIZE), seed=1)
    product = tf.function(tf.matmul)
    return lambda: product(left, right).numpy()


def main() -> None:
    for make in (by_numpy, by_onnxruntime, by_tensorflow):
        work = make()
        work()
        seconds = []
        for _ in range(9):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        print(f"{make.__name__.removeprefix('by_')}: {2e-9 * SIZE**3 / statistics.median(seconds):.0f} GFLOP/s")


if __name__ == "__main__":
    main()
