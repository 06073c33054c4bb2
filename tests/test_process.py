"""The process belongs to its user: what they set stays set, and memory does not grow with the number of trainings."""

import ctypes
import gc
import json
import sys

import keras
import numpy as np
import pytest

from diabolo import Autoencoder, split, training
from diabolo.network import layers

# What a user may have set, all of it other than usual; then everything that trains; then what is not as it was.
SETTINGS = """
import json, locale, logging, os, random, signal, sys, threading, warnings

sys.stdout.reconfigure(line_buffering=True)
import numpy as np, optuna, pooch
import requests, rich.style, scipy.sparse, scipy.special  # whose imports filter warnings and draw a number
from matplotlib import pyplot
import matplotlib, PIL.Image

matplotlib.use("svg")
matplotlib.rcParams["figure.dpi"] = 33
optuna.logging.set_verbosity(optuna.logging.DEBUG)
pooch.get_logger().setLevel("DEBUG")
for name in ("alembic", "sqlalchemy", "tensorflow", "matplotlib", "PIL", "diabolo"):
    logging.getLogger(name).setLevel(13)
logging.getLogger("optuna").handlers.clear()
warnings.filterwarnings("error", category=FutureWarning)
warnings.filterwarnings("default", message="mine")
np.seterr(over="raise")
np.set_printoptions(precision=3)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.umask(0o027)
random.seed(1)
np.random.seed(1)
os.environ["MINE"] = "1"


def mask():
    [line] = [line for line in open("/proc/self/status") if line.startswith("Umask")] or [""]
    return line


def state():
    loggers = {
        name: (each.level, each.handlers if name in ("optuna", "pooch") else 0, each.propagate, each.disabled)
        for name, each in logging.Logger.manager.loggerDict.items()
        if isinstance(each, logging.Logger)
    }
    found = {
        "root": (logging.root.level, len(logging.root.handlers), logging.root.manager.disable),
        "filters": list(map(str, warnings.filters)),
        "showwarning": str(warnings.showwarning),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "signals": {int(each): str(signal.getsignal(each)) for each in signal.valid_signals()},
        "umask": mask(),
        "random": str(random.getstate()),
        "numpy": str([np.random.get_state(), np.geterr(), np.get_printoptions()]),
        "locale": locale.setlocale(locale.LC_ALL),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval()),
        "hooks": (str(sys.excepthook), str(threading.excepthook), str(sys.stdout), str(sys.stderr)),
        "pictures": (dict(matplotlib.rcParams), matplotlib.get_backend(), PIL.Image.MAX_IMAGE_PIXELS),
    }
    if "keras" in sys.modules:
        import keras, tensorflow as tf

        found["keras"] = {
            "policy": keras.config.dtype_policy().name,
            "floats": keras.config.floatx(),
            "epsilon": keras.config.epsilon(),
            "images": keras.config.image_data_format(),
            "eager": tf.config.functions_run_eagerly(),
            "threads": [
                tf.config.threading.get_intra_op_parallelism_threads(),
                tf.config.threading.get_inter_op_parallelism_threads(),
            ],
            "generator": tf.random.get_global_generator().state.numpy().tolist(),
        }
    return loggers, found


loggers, before = state()
import diabolo
from diabolo.search import race, search

rows = np.random.default_rng(0).normal(size=(120, 6))
diabolo.AnomalyDetector(random_state=0).fit(rows).score_samples(rows)
model = diabolo.Autoencoder(2, structure=[8], epochs=2, random_state=0, verbose=False).fit(rows)
model.encode(rows)
diabolo.load(model.save("model")).reconstruct(rows)
try:
    diabolo.datasets.mnist()
    raise SystemExit("expected no data set, without a network")
except diabolo.errors.DataError:
    pass
import keras, tensorflow as tf

keras.config.set_dtype_policy("mixed_bfloat16")
keras.config.set_epsilon(1e-6)
_, before_keras = state()
before["keras"] = before_keras["keras"]
diabolo.Autoencoder(2, structure=[8], epochs=2, random_state=0, verbose=False).fit(rows, run="run")
search(rows, trials=2, epochs=3, random_state=0, space={"kind": ["dense"], "depth": [1], "width": [16]})
race(rows, optimizers=["adam", "sgd"], times=[1.0], epochs=3, latent_dim=2, structure=[8])
own = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6, kernel_initializer=keras.initializers.Zeros())])
own.compile("adam", "mse")
diabolo.training.fit(own, rows.astype("float32"), seed=0, compile=True, verbose=0)
new_loggers, after = state()
changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
changed |= {name: (level, new_loggers[name]) for name, level in loggers.items() if new_loggers[name] != level}
environment = changed.pop("environment", ({}, {}))
added = {name: environment[1].get(name) for name in {*environment[0]} ^ {*environment[1]}}
# What TensorFlow, scikit-learn and h5py say to themselves when they are imported, and what keeps ONNX Runtime quiet.
theirs = ("TF2_", "TPU_ML_", "ENABLE_RUNTIME_UPTIME_TELEMETRY", "KMP_", "HDF5_PLUGIN_PATH", "ORT_DISABLE_TELEMETRY")
added = {name: value for name, value in added.items() if not name.startswith(theirs)}
print(json.dumps(changed | added, default=str))
"""


@pytest.mark.slow
def test_whatever_is_trained_or_searched_the_settings_of_the_process_stay_as_they_were(run, tmp_path):
    (tmp_path / "settings.py").write_text(SETTINGS)
    # Neither a folder with data sets, nor a cache of them, nor a network to fetch them from.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    empty = {"DIABOLO_DATA": "", "XDG_CACHE_HOME": str(tmp_path / "cache"), "NO_PROXY": "", "no_proxy": ""}
    done = run("settings.py", env=empty | nowhere)
    assert done.code == 0, done.err[-2000:]
    assert json.loads(done.out.splitlines()[-1]) == {}


def small(rows, **settings):
    settings = {"latent_dim": 2, "structure": [8], "epochs": 2, "random_state": 0, "verbose": False} | settings
    return lambda: Autoencoder(**settings).fit(rows)


def dropping():
    encoder = [layers.Dense(units=8), layers.Dropout(rate=0.1), layers.BatchNormalization(), layers.Dense(units=2)]
    return encoder, [layers.Dense(units=8), layers.Dropout(rate=0.1), layers.Dense(units=6)]


def cutting(rows):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, name="bottleneck"), keras.layers.Dense(6)])

    def go():
        fresh = keras.models.clone_model(model)
        fresh.compile("adam", "mse")
        training.fit(fresh, rows, verbose=0, seed=0)
        split(fresh)

    return go


TRAININGS = {
    "plain": lambda rows: small(rows),
    "silu": lambda rows: small(rows, activation="silu"),
    "dropout": lambda rows: small(rows, structure=dropping(), latent_dim=None),
    "gaussian bottleneck": lambda rows: small(rows, bottleneck="gaussian"),
    "adversarial penalty": lambda rows: small(rows, penalty="adversarial:10"),
    "sgd, learnt variance": lambda rows: small(rows, optimizer="sgd", reconstruction_loss="gaussian:variance=learnt"),
    "convolution": lambda rows: small(np.tile(rows[:, :, None], (1, 1, 6)), structure="conv 4", activation="silu"),
    "a model of Keras": cutting,
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("silu", "dropout", "sgd, learnt variance") else [])
        for name in sorted(TRAININGS)
    ],
)
def test_a_training_leaves_no_objects_and_no_gradients(rng, name):
    from tensorflow.python.framework import ops

    def left():
        gc.collect()
        return len(gc.get_objects()), len(ops.gradient_registry.list())

    train = TRAININGS[name](rng.normal(size=(100, 6)).astype(np.float32))
    train(), train()  # what is made once
    objects, gradients = left()
    for _ in range(3):
        train()
    after = left()
    assert after[1] == gradients
    assert after[0] - objects < 300  # one traced program has thousands


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks glibc how much is allocated")
def test_a_training_leaves_next_to_nothing_allocated(rng):
    class Info(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in ["arena", "a", "b", "c", "d", "e", "f", "used", "free", "keep"]]

    try:
        ask = ctypes.CDLL("libc.so.6").mallinfo2
    except (OSError, AttributeError):
        pytest.skip("needs glibc 2.33")
    ask.restype = Info

    def allocated():
        gc.collect()
        return ask().used

    train = small(rng.normal(size=(100, 6)).astype(np.float32))
    for _ in range(8):
        train()
    before = allocated()
    for _ in range(8):
        train()
    assert allocated() - before < 8 * 250_000  # 700 KB a training, where names of variables count up


MANY = """
import gc, json, re
import numpy as np
from diabolo import Autoencoder
from diabolo.search import search

rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


def memory():
    gc.collect()
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024


seen = []
for at in range(5):
    search(rows, trials=3, epochs=9, random_state=at, latent_dim=2)
    for fit in range(20):
        Autoencoder(2, structure=[8], epochs=2, random_state=fit, verbose=False).fit(rows)
    seen.append(memory())
print(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_flat_over_a_hundred_trainings_and_five_searches(run, tmp_path):
    (tmp_path / "many.py").write_text(MANY)
    done = run("many.py")
    assert done.code == 0, done.err[-2000:]
    seen = json.loads(done.out.splitlines()[-1])
    assert max(seen) <= 1.05 * seen[0], seen
