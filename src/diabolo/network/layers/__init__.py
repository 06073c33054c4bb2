"""The one table of layers.

Each layer is a frozen dataclass. It knows the shape it gives, the names and shapes of its weights, and the layers that
undo it; `to_keras` makes the Keras layer that trains, `to_onnx` the ONNX nodes that are used afterwards, and a test
holds the two equal on every entry of `LAYERS`. Importing this module loads neither Keras nor ONNX. Shapes leave out the
batch axis.

To add a layer, write its class in one of these files and import it here. `X as X` exports a name to type checkers.
"""

from diabolo.network.layers.activations import ACTIVATIONS as ACTIVATIONS
from diabolo.network.layers.activations import check_activation as check_activation
from diabolo.network.layers.base import Layer as Layer
from diabolo.network.layers.base import Step as Step
from diabolo.network.layers.choosing import Quantize as Quantize
from diabolo.network.layers.choosing import TopK as TopK
from diabolo.network.layers.common import Activation as Activation
from diabolo.network.layers.common import BatchNormalization as BatchNormalization
from diabolo.network.layers.common import Dense as Dense
from diabolo.network.layers.common import Dropout as Dropout
from diabolo.network.layers.common import Flatten as Flatten
from diabolo.network.layers.common import LayerNormalization as LayerNormalization
from diabolo.network.layers.common import Reshape as Reshape
from diabolo.network.layers.common import TiedDense as TiedDense
from diabolo.network.layers.convolution import Convolution as Convolution
from diabolo.network.layers.convolution import TransposedConvolution as TransposedConvolution
from diabolo.network.layers.margins import Cropping as Cropping
from diabolo.network.layers.margins import Padding as Padding
from diabolo.network.layers.noise import AlphaDropout as AlphaDropout
from diabolo.network.layers.noise import GaussianDropout as GaussianDropout
from diabolo.network.layers.noise import GaussianNoise as GaussianNoise
from diabolo.network.layers.noise import SpatialDropout as SpatialDropout
from diabolo.network.layers.patches import FromPatches as FromPatches
from diabolo.network.layers.patches import Patches as Patches
from diabolo.network.layers.pooling import Pooling as Pooling
from diabolo.network.layers.pooling import Upsampling as Upsampling
from diabolo.network.layers.rectifiers import ELU as ELU
from diabolo.network.layers.rectifiers import PReLU as PReLU
from diabolo.network.layers.rectifiers import ReLU as ReLU
from diabolo.network.layers.recurrent import GRU as GRU
from diabolo.network.layers.recurrent import LSTM as LSTM
from diabolo.network.layers.recurrent import Bidirectional as Bidirectional
from diabolo.network.layers.recurrent import Recurrent as Recurrent
from diabolo.network.layers.recurrent import Repeat as Repeat
from diabolo.network.layers.residual import Attention as Attention
from diabolo.network.layers.residual import Position as Position
from diabolo.network.layers.residual import Residual as Residual
from diabolo.network.layers.residual import ResidualConvolution as ResidualConvolution
from diabolo.network.layers.skip import Skip as Skip

# Every layer that is imported above, by its kind. Recurrent has none: it is only what LSTM and GRU share.
LAYERS: dict[str, type[Layer]] = {
    part.kind: part
    for part in tuple(globals().values())
    if isinstance(part, type) and issubclass(part, Layer) and hasattr(part, "kind")
}
