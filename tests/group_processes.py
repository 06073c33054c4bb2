"""Trains networks as one of several processes: `python group_processes.py RANK OUT.json CASE,... HOST:PORT ...`.

test_cluster_training.py starts it. It writes the history of each case; every process must get the same.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from diabolo import datasets, fitting
from diabolo.fitting import start
from diabolo.fitting.training import job_of
from diabolo.model.settings import Settings
from diabolo.network.layers import Activation, BatchNormalization, Convolution, Dense, Dropout, Flatten
from diabolo.training.backend import load_tensorflow
from diabolo.training.engines import Compiled

HIDDEN = Dense(units=32, activation="tanh")
CONVOLUTION = [Convolution(filters=4, size=3), Activation(function="relu"), Flatten()]
# Without a bias, whose gradient would be 0 but for rounding, which Adam turns into steps of any sign. With 4 filters
# and rectifiers two programs of one process differ by 3e-4, because these networks make rounding larger.
NORM_CONVOLUTION = [
    Convolution(filters=8, size=3, stride=2, use_bias=False),
    BatchNormalization(),
    Activation(function="elu"),
    Flatten(),
]
NETWORKS = {
    "dense": {"structure": [HIDDEN]},
    "dense norm": {"structure": [HIDDEN, BatchNormalization()]},
    "conv": {"structure": CONVOLUTION},
    "conv norm": {"structure": NORM_CONVOLUTION},
    "vae": {"structure": [HIDDEN], "bottleneck": "gaussian"},
    "vae norm": {"structure": [HIDDEN, BatchNormalization()], "bottleneck": "gaussian"},
    "default": {},
    "dropout": {"structure": [HIDDEN, Dropout(rate=0.2)]},
    "samples": {"structure": [HIDDEN, Dropout(rate=0.1)], "bottleneck": "gaussian:samples=3"},
    "masking": {"structure": [HIDDEN], "corruption": "masking:0.3"},
    "gaussian noise": {"structure": [HIDDEN], "corruption": "gaussian:0.5"},
    "contractive": {"structure": [HIDDEN], "penalty": "contractive:0.1"},
    "ordered": {"bottleneck": "ordered"},
    "top k": {"bottleneck": "sparse:top_k"},
}
ROWS, BATCH = 1_003, 41  # the last batch of an epoch has fewer rows than there are processes


def clipped(job):
    """Return an optimizer that clips the gradient at each step."""
    import keras

    return keras.optimizers.Adam(job.learning_rate, global_clipnorm=0.05)


def train(case, group):
    """Return the history of a case: a network, with "clip" its gradient is clipped, with "xla" XLA compiles it."""
    name, *words = case.split(" / ")
    rows = datasets.digits().x_train[:ROWS]
    settings = Settings.of({"latent_dim": 8, "epochs": 3, "random_state": 3} | NETWORKS[name])
    job = replace(job_of(fitting.prepare(rows, settings), settings), batch_size=BATCH)
    assert 0 < job.shard.row_count % job.batch_size < 4
    job = replace(job, weights=start.weights(job.network, job.loss, job.shard))
    optimizer = clipped if "clip" in words else None
    return Compiled(group=group, optimizer=optimizer, compile="xla" in words).train(job).history


def main(rank, out, cases, *addresses):
    """Train the cases, and write their histories."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    load_tensorflow()
    group = None
    if len(addresses) > 1:
        from diabolo.training.group import Group

        group = Group(int(rank), addresses)
    histories = {case: train(case, group) for case in cases.split(",")}
    Path(out).write_text(json.dumps(histories))
    sys.stdout.flush()
    os._exit(0)  # TensorFlow's servers would wait for each other


if __name__ == "__main__":
    main(*sys.argv[1:])
