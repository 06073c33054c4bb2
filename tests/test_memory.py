"""What ONNX Runtime really allocates for one row of the largest networks that a model file may hold.

A child process loads each of them and encodes and decodes a row, under a limit of its address space.
"""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diabolo.data.adapters import ArrayAdapter
from diabolo.errors import OptionError
from diabolo.model import file as modelfile
from diabolo.network import layers
from diabolo.network.bottlenecks import Plain, Refined
from diabolo.network.layers import LAYERS
from diabolo.network.losses import Gaussian
from diabolo.network.network import Network
from diabolo.network.structures import build

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux alone tells the peak")

# What docs/model-file.md promises for one row, on top of five times the weights.
PROMISED = 320 << 20
MARGIN = 64 << 20  # bytes of address space for threads, which are not all used

# Of every kind, layers that are as large as may be for rows of a shape, and cheap to compute. A kind that is missing
# here fails the first test.
LARGEST = [
    (layers.Dense(units=64), (1 << 18, 1)),
    (layers.Dense(units=64, activation="gelu"), (1 << 18, 1)),
    (layers.TiedDense(of="lender", units=64), (1 << 18, 1)),
    (layers.Convolution(filters=1, size=1), (4096, 4096, 1)),
    (layers.Convolution(filters=17, size=3), (960, 960, 1)),
    (layers.TransposedConvolution(filters=1, size=4, stride=3, shape=(4095, 4095)), (1365, 1365, 1)),
    (layers.TransposedConvolution(filters=1, size=22, shape=(512, 512)), (256, 256, 1)),
    (layers.TransposedConvolution(filters=1, size=1000, shape=(64,)), (32, 1)),
    (layers.LSTM(units=64, sequences=False), (1 << 16, 1)),
    (layers.GRU(units=64, sequences=False), (87_381, 1)),
    (layers.Skip(units=63), (1 << 18, 1)),
    (layers.Skip(units=63, activation="gelu"), (1 << 18, 1)),
    (layers.Residual(units=64), (1 << 18, 1)),
    (layers.Residual(units=64, activation="gelu"), (1 << 18, 1)),
    (layers.ResidualConvolution(filters=64, size=1), (1 << 18, 1)),
    (layers.ResidualConvolution(filters=1, size=1), (4096, 4096, 1)),
    (layers.Attention(heads=1), (4096, 2)),
    (layers.Position(), (1 << 18, 64)),
    (layers.Activation(function="silu"), (1 << 18, 64)),
    (layers.BatchNormalization(), (1 << 18, 64)),
    (layers.LayerNormalization(), (1 << 18, 64)),
    (layers.Dropout(rate=0.5), (1 << 18, 64)),
    (layers.Pooling(size=2), (4096, 4096, 1)),
    (layers.Upsampling(size=4, shape=(4096, 4096)), (1024, 1024, 1)),
    (layers.Padding(before=(1, 1), after=(1, 1)), (4094, 4094, 1)),
    (layers.Cropping(before=(1, 1), after=(1, 1)), (4096, 4096, 1)),
    (layers.Convolution(filters=1, size=(1, 3), padding="valid"), (4096, 4096, 1)),
    (layers.Activation(function="mish"), (1 << 18, 64)),
    (layers.ReLU(negative_slope=0.1, max_value=1.0, threshold=0.5), (1 << 18, 64)),
    (layers.ELU(alpha=0.5), (1 << 18, 64)),
    (layers.PReLU(shared_axes=(1,)), (1 << 18, 64)),
    (layers.GaussianNoise(stddev=0.5), (1 << 18, 64)),
    (layers.GaussianDropout(rate=0.5), (1 << 18, 64)),
    (layers.AlphaDropout(rate=0.5), (1 << 18, 64)),
    (layers.SpatialDropout(rate=0.5), (1 << 18, 64)),
    (layers.Bidirectional(units=32, sequences=False), (1 << 16, 1)),
    (layers.Bidirectional(units=32, cell="gru", sequences=False), (87_381, 1)),
    (layers.Repeat(times=1 << 18), (64,)),
    (layers.TopK(active=1), (243_148, 64)),
    (layers.TopK(active=2_796_202), (2_796_202,)),
    (layers.Quantize(codes=1 << 16, groups=256), (256,)),
    (layers.Patches(size=4), (4096, 4096, 1)),
    (layers.FromPatches(size=4, shape=(4096, 4096)), (1 << 20, 16)),
    (layers.Flatten(), (1 << 18, 64)),
    (layers.Reshape(shape=(4096, 4096)), (1 << 18, 64)),
]
NAMES = ["-".join(map(str, [*layer.to_config().values(), *shape])) for layer, shape in LARGEST]

CHILD = """
import ctypes, gc, json, pathlib, re, resource, sys
import numpy as np
from diabolo.model import file as modelfile
from diabolo.errors import DiaboloError

def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024

def used(path, rows):
    model = modelfile.load(path)
    model.decode(model.encode(np.zeros((rows, *model.adapter.row_shape), np.float32)))

used(sys.stdin.readline().strip(), 1)
for line in sys.stdin:
    path, rows, most = json.loads(line)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    resource.setrlimit(resource.RLIMIT_AS, (memory("VmSize") + most, resource.RLIM_INFINITY))
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    try:
        used(path, rows)
        said = ""
    except DiaboloError as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    print(json.dumps([memory("VmHWM") - before, said]), flush=True)
"""


def network(layer, shape):
    """Return rows of one number -> rows of `shape` -> the layer -> one latent, and back the same way.

    Only the layer itself has weights; and the numbers of the layers around it are as many as its own.
    """
    encoder, decoder = ([*grown(layer, shape), *shrunk(layer, shape)] for _ in range(2))
    if isinstance(layer, layers.TiedDense):
        encoder = [layers.Dense(units=64), layers.Dense(units=1, name="lender")]
    return Network(
        input_shape=(1,),
        encoder=named("encoder", encoder),
        bottleneck=Plain(latent_dim=1),
        decoder=named("decoder", decoder),
    )


def refined(latents, times):
    """Return a network whose latents are refined, which repeats each of them so many times."""
    return Network(
        input_shape=(latents * times,),
        encoder=named(
            "encoder", [layers.Reshape(shape=(times, latents)), layers.Pooling(size=times), layers.Flatten()]
        ),
        bottleneck=Refined(latent_dim=latents),
        decoder=named("decoder", [layers.Repeat(times=times), layers.Flatten()]),
    )


def named(prefix, several):
    return tuple(
        layer if layer.name else replace(layer, name=f"{prefix}_{place}") for place, layer in enumerate(several)
    )


def grown(layer, shape):
    if isinstance(layer, layers.Repeat):
        return [layers.Repeat(times=math.prod(shape)), layers.Flatten(), layer]
    return [layers.Repeat(times=math.prod(shape)), layers.Reshape(shape=shape), layer]


def shrunk(layer, shape):
    size = math.prod(layer.output_shape(shape))
    poolings = [layers.Pooling(size=1023)] * 3 if size > 1 else []
    return [layers.Flatten(), layers.Reshape(shape=(size, 1)), *poolings, layers.Flatten()]


def model_of(network, fitted):
    """Return a model of a network whose weights are 0, for rows of numbers."""
    features = network.input_shape[0]
    return replace(
        fitted.model_,
        network=network,
        weights={name: np.zeros(shape, np.float32) for name, shape in network.weights().items()},
        adapter=ArrayAdapter(
            row_shape=(features,), dtype="float32", bounded=False, offset=np.zeros(features), scale=np.ones(features)
        ),
        loss=Gaussian(),
    )


@pytest.fixture(scope="module")
def use(fitted_table, tmp_path_factory):
    """Have a child process use models, and return what it says of each, and its stderr.

    Args of what is given: (network, rows, bytes of address space on top of five times the weights) of each. It says the
    bytes at the peak less those of the weights, and the error.
    """
    folder = tmp_path_factory.mktemp("largest")
    warm = fitted_table.save(folder / "warm")

    def answers(cases):
        lines, sizes = [str(warm)], [20 * network.weight_count for network, *_ in cases]
        for at, ((network, rows, most), size) in enumerate(zip(cases, sizes, strict=True)):
            path = modelfile.save(model_of(network, fitted_table), folder / str(at), force=True)
            lines.append(json.dumps([str(path), rows, most + size]))
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        return [(taken - size, error) for (taken, error), size in zip(answers, sizes, strict=True)], done.stderr

    return answers


@pytest.fixture(scope="module")
def largest(use):
    """What each of the largest networks took, by its name: bytes at the peak without the weights, and the error."""
    networks = [*(network(*example) for example in LARGEST), refined(500, 66)]
    answers, _ = use([(each, 1, PROMISED + MARGIN) for each in networks])
    return dict(zip([*NAMES, "refined"], answers, strict=True))


def test_every_layer_of_the_table_has_a_largest_example():
    assert {type(layer) for layer, _ in LARGEST} == set(LAYERS.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "refined"])
def test_one_row_of_the_largest_network_of_a_kind_takes_no_more_than_is_promised(name, largest):
    taken, error = largest[name]
    assert not error
    assert taken <= PROMISED, f"{taken / (1 << 20):.0f} MB"


def test_many_rows_of_a_wide_network_take_no_more_than_one_of_the_widest(use):
    wide = network(layers.Activation(function="silu"), (1 << 15, 64))
    cell = network(layers.LSTM(units=64, sequences=False), (1 << 13, 1))
    answers, _ = use([(wide, 100, PROMISED + MARGIN), (cell, 100, PROMISED + MARGIN)])
    for taken, error in answers:
        assert not error
        assert taken <= PROMISED


def test_too_little_memory_is_said_in_one_line_and_nothing_else_is_printed(use):
    layer, shape = LARGEST[0]
    ((_, error),), printed = use([(network(layer, shape), 1, 48 << 20)])
    assert "from row 0 on, a row of shape (1,) cannot be computed, ONNX Runtime says" in error
    assert "\n" not in error
    assert printed == ""


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.TransposedConvolution(filters=1, size=48, shape=(512, 512)), (256, 256, 1)),
        (layers.TransposedConvolution(filters=1, size=1000, shape=(512, 512)), (256, 256, 1)),
        (layers.Residual(units=2048), (131_072, 1)),
        (layers.ResidualConvolution(filters=2048, size=1), (131_072, 1)),
        (layers.LSTM(units=256, sequences=False), (8_388_608, 1)),
        (layers.GRU(units=256, sequences=False), (8_388_608, 1)),
        (layers.TopK(active=1 << 22), (1 << 22,)),
        (layers.Padding(before=(1 << 19, 0), after=(0, 0)), (64, 64, 1)),
        (layers.TransposedConvolution(filters=1, size=(1000, 9), padding="valid", shape=(1998, 1031)), (500, 512, 1)),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_a_small_file_that_asks_for_much_memory_is_refused(layer, shape):
    with pytest.raises(OptionError, match=r"layer 'encoder_2' (has|needs) [\d,]+ numbers"):
        modelfile.check_size(network(layer, shape))


def test_layers_that_a_picture_of_1024_x_1024_needs_are_allowed():
    for words in ("conv", "conv 32-64", "pool 16"):
        modelfile.check_size(build(words, (1024, 1024, 3), latent_dim=32))
