"""The one table of layers.

Each layer is a frozen dataclass that knows the shape it gives, the names and shapes of its weights, and the layers
that undo it. Nothing here computes: `keras_builder` makes the network that trains, `onnx_builder` the graph that
infers, and a test holds the two equal on every entry of `LAYERS`. Shapes leave out the batch axis.
"""

from diabolo.network.layers.base import ACTIVATIONS, Layer, check_activation
from diabolo.network.layers.choosing import Quantize, TopK
from diabolo.network.layers.common import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    LayerNormalization,
    Reshape,
    TiedDense,
)
from diabolo.network.layers.convolution import Convolution, Pooling, TransposedConvolution, Upsampling
from diabolo.network.layers.patches import FromPatches, Patches
from diabolo.network.layers.recurrent import GRU, LSTM, Recurrent, Repeat
from diabolo.network.layers.residual import Attention, Position, Residual, ResidualConvolution

LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in (
        Dense,
        TiedDense,
        Convolution,
        TransposedConvolution,
        LSTM,
        GRU,
        Residual,
        ResidualConvolution,
        Attention,
        Position,
        Activation,
        BatchNormalization,
        LayerNormalization,
        Dropout,
        Pooling,
        Upsampling,
        Repeat,
        TopK,
        Quantize,
        Patches,
        FromPatches,
        Flatten,
        Reshape,
    )
}

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LAYERS",
    "LSTM",
    "Activation",
    "Attention",
    "BatchNormalization",
    "Convolution",
    "Dense",
    "Dropout",
    "Flatten",
    "FromPatches",
    "Layer",
    "LayerNormalization",
    "Patches",
    "Pooling",
    "Position",
    "Quantize",
    "Recurrent",
    "Repeat",
    "Reshape",
    "Residual",
    "ResidualConvolution",
    "TiedDense",
    "TopK",
    "TransposedConvolution",
    "Upsampling",
    "check_activation",
]
