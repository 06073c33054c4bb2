"""The limits of a model file, and whether a file could hold a network, checked before the network is trained.

Reading a file of N bytes takes at most 2 N bytes and 64 MiB of memory, whatever the file says.
"""

from diabolo.data.adapters import Adapter
from diabolo.data.frames import Schema
from diabolo.data.long_table.form import SeriesForm
from diabolo.errors import OptionError
from diabolo.model.file.layout import canonical, without_knots
from diabolo.network.network import Network
from diabolo.typing import JsonObject

MAX_FILE = 4 << 30  # bytes; a dense network of a billion weights
MAX_HEADER = 1 << 20  # bytes; 2,048 tensors with long names, and the configuration twice, as its quotes are escaped
MAX_CONFIG = 1 << 18  # characters; 256 layers take a quarter of it
MAX_DEPTH = 32  # of nested JSON; a file written by Diabolo has a depth of 5
MAX_TENSORS = 2_048  # 256 layers of attention have 1,536
MAX_LAYERS = 256
MAX_TABLE = 1 << 23  # bytes of JSON about the columns of a table: 33,000 columns, or 400,000 levels of 20 characters
# Values in one JSON text; an object or a list counts as two. A value takes up to 100 bytes in Python, a column has 12.
MAX_VALUES = 1 << 19
MAX_KEYS = 64  # of one object about a table: a key takes twice the memory of a value; files of Diabolo have nine
MAX_KNOTS = 1 << 20  # of all columns of a table that have a non-linear scale: 8,192 columns of 64 knots and marks
MAX_TOGETHER = 13 << 16  # values in the JSON about a table, and its knots, in sum
# The largest tensor of one row: 64 MB. An image of 512 x 512 has 2^24 numbers after 64 filters, so 2^22 would exclude
# networks that people train. Rows that wide are encoded one at a time, see `Runtime.rows_at_once`.
MAX_NUMBERS_A_ROW = 1 << 24
# What a layer needs once in addition: 128 MB. Two transposed convolutions to an image of 1,024 x 1,024 need 2^24.2.
MAX_WORKSPACE = 1 << 25
MAX_DRAWN = 1 << 20  # reference rows of a detector; Diabolo writes at most 8,192
MAX_LEAVES = 1 << 22  # of all trees of a detector; Diabolo writes at most 25,600

REST = 1 << 15  # characters of CONFIG for everything but network and settings: names of files, versions


def check_size(network: Network) -> None:
    """Raise OptionError if no model file could hold the network; to be called before the training."""
    network.own_layers()
    if len(network.encoder) + len(network.decoder) > MAX_LAYERS:
        raise OptionError(f"the network has more than {MAX_LAYERS} layers: choose fewer.")
    for step in network.steps:
        size = network.numbers(step)
        if size > MAX_NUMBERS_A_ROW:
            raise OptionError(
                f"layer {step.layer.name!r} has {size:,} numbers a row, more than {MAX_NUMBERS_A_ROW:,}: make "
                f"the layer or the rows smaller."
            )
        if network.workspace(step) > MAX_WORKSPACE:
            raise OptionError(
                f"layer {step.layer.name!r} needs {network.workspace(step):,} numbers to be computed, more than "
                f"{MAX_WORKSPACE:,}: choose a smaller kernel, fewer filters or smaller rows."
            )


def check_room(
    network: Network,
    adapter: Adapter,
    schema: Schema | None,
    settings: JsonObject,
    series: SeriesForm | None = None,
) -> None:
    """Raise OptionError if a model file could not hold the columns and settings; to be called before the training.

    Args: settings: of the estimator, as JSON values; series: how windows were cut, with the names of the channels.
    """
    size = len(canonical({"network": network.to_config(), "settings": settings}))
    if size > MAX_CONFIG - REST:
        raise OptionError(
            f"network and settings take {size:,} characters, and a model file holds at most {MAX_CONFIG - REST:,}: use "
            f"shorter names, or leave types= (--types) out for columns whose inferred kind is right."
        )
    config, knots = without_knots(adapter.to_config()) if adapter.is_table else ({}, [])
    together = len(knots)
    described = [config] + [each.to_config() for each in (schema, series) if each is not None]
    for text in map(canonical, described):
        # Counted as in `check_size_of_json`, but including the brackets and commas within texts.
        values = text.count(",") + 2 * (text.count("[") + text.count("{"))
        together += values
        if len(text) > MAX_TABLE or values > MAX_VALUES:
            raise OptionError(
                f"{adapter.row_shape[-1]:,} columns with their names and levels take {len(text):,} characters and "
                f"{values:,} values, and a model file holds at most {MAX_TABLE:,} and {MAX_VALUES:,}: leave columns "
                f"out (--drop NAME), or merge levels."
            )
    if len(knots) > MAX_KNOTS or together > MAX_TOGETHER:
        raise OptionError(
            f"a model file holds at most {MAX_TOGETHER:,} values of columns, these have {together:,}, of which "
            f"{len(knots):,} are quantiles of strongly skewed columns: take the logarithm of such columns before "
            f"fit(), or leave columns out (--drop NAME)."
        )
