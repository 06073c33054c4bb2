"""What layers over one or two axes of space share, (time, channels) or (height, width, channels).

Along an axis of n places with padding "same" a stride of s leaves ceil(n / s), and with "valid" a window of k leaves
floor((n - k) / s) + 1. A size is one for all axes or one for each. Order: sizes, checks, settings of Keras layers,
functions for ONNX.
"""

import math
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.errors import OptionError, ShapeError
from diabolo.network.layers.base import Layer
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape, Sizes

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Graph

PADDINGS = ("same", "valid")


def space(layer: Layer, input_shape: Shape) -> Shape:
    """Return the sizes of the axes of space: one or two; ShapeError for anything else."""
    if len(input_shape) not in (2, 3):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}) needs rows (time, channels) or (height, width, channels), got "
            f"{input_shape}: put a Reshape() before it."
        )
    return input_shape[:-1]


def along(sizes: Sizes, axes: int) -> Shape:
    """Return the size along each of the axes."""
    return (sizes,) * axes if isinstance(sizes, int) else sizes


def largest(sizes: Sizes) -> int:
    """Return the largest of sizes, 0 if there are none."""
    return sizes if isinstance(sizes, int) else max(sizes, default=0)


def one_if_equal(sizes: Shape) -> Sizes:
    """Return one size if it is the same along all axes."""
    return sizes[0] if len(set(sizes)) == 1 else sizes


def fewer(sizes: Shape, stride: Sizes) -> Shape:
    """Return the size of each axis after a stride."""
    return tuple(math.ceil(size / step) for size, step in zip(sizes, along(stride, len(sizes)), strict=True))


def windows(layer: Layer, sizes: Shape, window: Sizes, stride: Sizes, padding: str) -> Shape:
    """Return how many windows lie along each axis of these sizes; ShapeError if none fits."""
    axes = len(sizes)
    around, steps = along(window, axes), along(stride, axes)
    if not axes == len(around) == len(steps):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}) has sizes for {max(len(around), len(steps))} axes, and the rows have "
            f"{axes}: write one size for each axis, or one number for all."
        )
    if padding == "same":
        return fewer(sizes, steps)
    if any(size < wide for size, wide in zip(sizes, around, strict=True)):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}): a window of {around} does not fit into {sizes} with padding "
            f"'valid': choose a smaller one, or padding 'same'."
        )
    return tuple((size - wide) // step + 1 for size, wide, step in zip(sizes, around, steps, strict=True))


def check_window(layer: Layer, size: Sizes, stride: Sizes, padding: str) -> None:
    """Refuse strides larger than the kernel, which would skip numbers, or leave gaps."""
    axes = max(len(along(size, 1)), len(along(stride, 1)))
    around, steps = along(size, axes), along(stride, axes)
    fits = len(around) == len(steps) and all(1 <= step <= wide for wide, step in zip(around, steps, strict=False))
    layer.require(fits and largest(size) < 1 << 10, "1 <= stride <= size < 1024")
    layer.require(padding in PADDINGS, "padding 'same' or 'valid'")


def check_factor(layer: Layer, size: Sizes) -> None:
    """Refuse a factor that changes no axis, and one below 1."""
    factors = along(size, 1)
    layer.require(all(1 <= factor < 1 << 10 for factor in factors) and largest(size) >= 2, "2 <= size < 1024")


def check_target(layer: Layer, input_shape: Shape, shape: Shape, size: Sizes, stride: Sizes, padding: str) -> None:
    """Refuse a shape to come back to that windows of this size and stride do not turn into the input."""
    places = space(layer, input_shape)
    if len(places) != len(shape) or places != windows(layer, shape, size, stride, padding):
        raise ShapeError(f"layer {layer.kind!r} ({layer.name}): from {places} by {stride} there is no way to {shape}.")


def padding_setting() -> Any:
    """Return the field of a layer that says what surrounds the places: zeros ("same") or nothing ("valid")."""
    return field(default="same", metadata={"since": 2, "before": "same"})


def keras_padding(layer: KerasLayer) -> str:
    """Return the padding of a Keras layer; OptionError if it is neither 'same' nor 'valid'."""
    if layer.padding not in PADDINGS:
        kind = type(layer).__name__
        raise OptionError(
            f"layer {layer.name!r} has padding {layer.padding!r}, expected 'same' or 'valid': write {kind}(..., "
            f"padding='same')."
        )
    return str(layer.padding)


def keras_size(layer: KerasLayer, setting: str) -> Sizes:
    """Return a setting of a Keras layer, as one size if it is the same along all axes."""
    value = getattr(layer, setting)
    return one_if_equal(tuple(value)) if isinstance(value, (tuple, list)) else int(value)


def channels_first(graph: "Graph", axes: int) -> None:
    """Move the channels before `axes` axes of space, as ONNX's operators want them."""
    graph.add("Transpose", perm=[0, axes + 1, *range(1, axes + 1)])


def channels_last(graph: "Graph", axes: int) -> None:
    """Move the channels after `axes` axes of space again."""
    graph.add("Transpose", perm=[0, *range(2, axes + 2), 1])


def kernel_first(kernel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(size, [size,] a, b) -> (b, a, size, [size])."""
    axes = kernel.ndim - 2
    return kernel.transpose(axes + 1, axes, *range(axes))


def convolve(
    graph: "Graph", sizes: Shape, kernel: str, bias: str | None, window: Sizes, stride: Sizes, padding: str = "same"
) -> None:
    """Add a convolution over axes of space of these sizes, padded as TensorFlow's "same" or not at all."""
    axes = len(sizes)
    channels_first(graph, axes)
    inputs = (kernel,) if bias is None else (kernel, bias)
    steps = along(stride, axes)
    pads = same_pads(sizes, along(window, axes), steps) if padding == "same" else [0] * 2 * axes
    graph.add("Conv", *inputs, strides=steps, pads=pads)
    channels_last(graph, axes)


def cut(graph: "Graph", shape: Shape) -> None:
    """Keep only the first places of the axes of space."""
    starts, ends = graph.integers(*[0] * len(shape)), graph.integers(*shape)
    graph.add("Slice", starts, ends, graph.integers(*range(1, len(shape) + 1)))


def same_pads(sizes: Shape, window: Shape, stride: Shape) -> list[int]:
    """Return what TensorFlow's padding "same" puts before and after each axis, in ONNX's order."""
    totals = [
        max((-(-size // step) - 1) * step + wide - size, 0)
        for size, wide, step in zip(sizes, window, stride, strict=True)
    ]
    return [*(total // 2 for total in totals), *(total - total // 2 for total in totals)]
