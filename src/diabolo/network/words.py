"""A structure in words: "conv 32-64, dense 256" -> layers of an encoder.

    dense 256-128      one layer for each number of units
    skip 256-128       the same, and the input of each goes on next to its output: training begins as PCA
    residual 128x3     one of 128, and three blocks that add to it
    conv 32-64         convolutions that halve height and width, with these numbers of filters
    pool 32-64         convolutions that keep them, each followed by pooling
    conv1d, pool1d     the same over time: (time, channels), or an image line by line
    lstm 64-32         over time; the last keeps only its last state. gru likewise; recurrent is lstm
    attention 64x2     patches of an image, of 64 features each; two blocks of a transformer
    attention1d 64x2   the same over time

Without numbers, they are chosen from the shape of a row. Order: the table, the reading, each kind.
"""

import math
import re
from collections.abc import Callable

from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.network.layers import (
    GRU,
    LSTM,
    Attention,
    Convolution,
    Dense,
    Flatten,
    Layer,
    Patches,
    Pooling,
    Position,
    Recurrent,
    Reshape,
    Residual,
    Skip,
)
from diabolo.parts import Shape

PATCH = 4
# A skip of so many units follows convolutions whose sizes are left open. On 9,000 digits and 15 epochs, with 32 latents
# the error falls from 0.0067 a pixel to 0.0059, with 2 latents from 0.051 to 0.041; 256 plain units 0.0069 and 0.041.
AFTER_CONVOLUTIONS = 256
# With 2 latents, 60,000 digits and 50 epochs, three skips lower the error from 0.0360 a pixel to 0.0326.
FEW, FOR_FEW = 4, 3
CONVOLVING = ("conv", "pool", "conv1d", "pool1d")
HEADS = 4

Make = Callable[[list[int], int, Shape, str], list[Layer]]  # widths, times, shape so far, activation -> layers


def read(written: str, input_shape: Shape, activation: str, latent_dim: int | None = None) -> tuple[Layer, ...]:
    """Return the layers for these words and for rows of `input_shape`.

    Args: latent_dim: number of latents; None: not known, and not few.
    Raises: OptionError, ShapeError.
    """
    layers: list[Layer] = []
    shape = input_shape
    for item in written.split(","):
        for layer in _item(item.strip(), shape, activation, written):
            layers.append(layer)
            shape = layer.output_shape(shape)
    if item.strip() in CONVOLVING:
        several = 1 if latent_dim is None or latent_dim > FEW else FOR_FEW
        layers += [Flatten(), *([Skip(units=AFTER_CONVOLUTIONS, activation=activation)] * several)]
    return tuple(layers)


def known(written: str) -> bool:
    """Whether a text begins with a kind of layer."""
    return written.strip().partition(" ")[0].partition(",")[0] in KINDS


def _item(item: str, shape: Shape, activation: str, written: str) -> list[Layer]:
    kind, _, sizes = item.partition(" ")
    if kind not in KINDS:
        raise OptionError(f"structure {written!r}: {unknown('kind of layer', kind, KINDS)}")
    found = re.fullmatch(r"(?:(\d{1,6}(?:-\d{1,6})*)(?:x(\d{1,3}))?)?", sizes.strip())
    widths = [int(size) for size in found[1].split("-")] if found and found[1] else []
    times = int(found[2]) if found and found[2] else 0
    if found is None or 0 in widths or (found[2] and not times):
        raise OptionError(f"structure {written!r}: expected sizes such as '{kind} 64-32', got {item!r}.")
    if times and kind not in ("attention", "attention1d", "residual"):
        raise OptionError(f"structure {written!r}: only attention and residual take 'x{times}': write the sizes out.")
    return KINDS[kind](widths, times, shape, activation)


def _dense(widths: list[int], times: int, shape: Shape, activation: str) -> list[Layer]:
    """Two hidden layers if no widths are given: about as wide as the row (32 to 512), then half of that.

    On 9,000 digits two layers (512, 256) reach 0.0064 a pixel with elu; one of 512 reaches 0.0064 with silu, and a
    rectified pair 0.0073. Wider ones are slower and not better.
    """
    width = usual_width(shape)
    flat: list[Layer] = [Flatten()] if len(shape) > 1 else []
    return flat + [Dense(units=units, activation=activation) for units in widths or (width, width // 2)]


def usual_width(shape: Shape) -> int:
    """Return the default width of the first dense layer."""
    return min(512, max(32, 1 << (math.prod(shape) - 1).bit_length()))


def usual_skip_width(shape: Shape) -> int:
    """Return the default width of a skip."""
    return min(256, max(64, usual_width(shape)))


def _residual(widths: list[int], times: int, shape: Shape, activation: str) -> list[Layer]:
    widths = widths or [usual_width(shape)]
    layers = _dense(widths, 0, shape, activation)
    return layers + [Residual(units=widths[-1], activation=activation) for _ in range(times or 2)]


def _skip(widths: list[int], times: int, shape: Shape, activation: str) -> list[Layer]:
    """Two hidden layers if no widths are given, each about as wide as the row, 64 to 256.

    On 9,000 digits with 32 latents, 256-256 reach 0.0055 a pixel, and two plain layers with as many weights 0.0060;
    512-512 take three times as long and are not better.
    """
    flat: list[Layer] = [Flatten()] if len(shape) > 1 else []
    widths = widths or [usual_skip_width(shape)] * 2
    return flat + [Skip(units=units, activation=activation) for units in widths]


def _convolutions(pooled: bool, over_time: bool) -> Make:
    def make(widths: list[int], times: int, shape: Shape, activation: str) -> list[Layer]:
        layers: list[Layer] = []
        if over_time and len(shape) == 3:
            layers.append(_lines(shape))
            shape = layers[0].output_shape(shape)
        if len(shape) not in (2, 3):
            raise ShapeError(
                f"structure 'conv' needs images (height, width[, channels]) or series (time, channels), got rows of "
                f"{math.prod(shape)} features: give them their shape, or choose 'dense'."
            )
        if not widths:
            # Halve until about 7 places are left along the shorter axis, and double the filters each time.
            halvings = max(1, min(4, round(math.log2(max(2, min(shape[:-1])) / 7))))
            widths = [32 << at for at in range(halvings)]
        for filters in widths:
            if pooled:
                layers += [Convolution(filters=filters, activation=activation), Pooling()]
            else:
                layers.append(Convolution(filters=filters, stride=2, activation=activation))
        return layers

    return make


def _recurrent(cell: type[Recurrent]) -> Make:
    def make(widths: list[int], times: int, shape: Shape, activation: str) -> list[Layer]:
        widths = widths or [64]
        layers = _as_series(shape, cell.kind)
        last = len(widths) - 1
        return layers + [cell(units=units, sequences=place < last) for place, units in enumerate(widths)]

    return make


def _attention(over_time: bool) -> Make:
    def make(widths: list[int], times: int, shape: Shape, activation: str) -> list[Layer]:
        width = (widths or [64])[0]
        if len(widths) > 1 or width % HEADS:
            raise OptionError(
                f"attention takes one size, a multiple of {HEADS}, such as 'attention 64x2', got {widths}."
            )
        patches = len(shape) == 3 and not over_time
        layers: list[Layer] = [Patches(size=PATCH)] if patches else _as_series(shape, "attention1d")
        layers += [Dense(units=width), Position()]
        for _ in range(times or 2):
            layers += [Attention(heads=HEADS), Residual(units=2 * width, activation="gelu")]
        return layers

    return make


def _as_series(shape: Shape, kind: str) -> list[Layer]:
    if len(shape) == 2:
        return []
    if len(shape) == 3:
        return [_lines(shape)]
    raise ShapeError(
        f"structure {kind!r} needs series (time, channels) or images, got rows of {math.prod(shape)} features: give "
        f"them their shape, or choose 'dense'."
    )


def _lines(shape: Shape) -> Layer:
    return Reshape(shape=(shape[0], math.prod(shape[1:])))


KINDS: dict[str, Make] = {
    "dense": _dense,
    "skip": _skip,
    "residual": _residual,
    "conv": _convolutions(pooled=False, over_time=False),
    "pool": _convolutions(pooled=True, over_time=False),
    "conv1d": _convolutions(pooled=False, over_time=True),
    "pool1d": _convolutions(pooled=True, over_time=True),
    "recurrent": _recurrent(LSTM),
    "lstm": _recurrent(LSTM),
    "gru": _recurrent(GRU),
    "attention": _attention(over_time=False),
    "attention1d": _attention(over_time=True),
}
