"""Frames of pandas, polars and pyarrow, which narwhals tells apart, and their way to arrays of numbers and back.

`columns` says what a column is, `learning` finds that out, `reading` and `writing` go to numbers and back, `config`
checks a schema that comes from a file, `texts` says what a column of texts probably is.
"""

from diabolo.data.frames.columns import Column, Latents, Schema, arrow_type, of_latents
from diabolo.data.frames.config import from_config
from diabolo.data.frames.learning import learn
from diabolo.data.frames.reading import Read, cells_of, floats, frame_names, is_frame, library_of, read
from diabolo.data.frames.writing import numbers_as_frame, write

__all__ = [
    "Column",
    "Latents",
    "Read",
    "Schema",
    "arrow_type",
    "cells_of",
    "frame_names",
    "from_config",
    "is_frame",
    "learn",
    "library_of",
    "floats",
    "numbers_as_frame",
    "of_latents",
    "read",
    "write",
]
