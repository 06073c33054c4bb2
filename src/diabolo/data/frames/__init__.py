"""Frames of pandas, polars and pyarrow, and how they become arrays of numbers and frames again.

`columns` defines a column and a schema, `learning` infers the schema of a frame, `reading` turns a frame into numbers,
`writing` turns numbers into a frame, `config` checks a schema from a file, `texts` recognizes numbers and dates that
are written as text. narwhals hides the differences between the libraries.
"""

from diabolo.data.frames.cells import Cells
from diabolo.data.frames.columns import Column, Latents, LeftOut, Schema, arrow_type, is_written, of_latents
from diabolo.data.frames.config import SCHEMA_KEYS, from_config
from diabolo.data.frames.learning import indexes, learn, left_out_line, refusal
from diabolo.data.frames.reading import Read, cells_of, floats, frame_names, from_arrow, is_frame, library_of, read
from diabolo.data.frames.writing import numbers_as_frame, with_left_out, write

__all__ = [
    "Cells",
    "Column",
    "Latents",
    "LeftOut",
    "Read",
    "SCHEMA_KEYS",
    "Schema",
    "arrow_type",
    "cells_of",
    "frame_names",
    "from_arrow",
    "from_config",
    "indexes",
    "is_frame",
    "is_written",
    "learn",
    "left_out_line",
    "library_of",
    "floats",
    "numbers_as_frame",
    "of_latents",
    "read",
    "refusal",
    "with_left_out",
    "write",
]
