"""Pictures: rows above their reconstructions, curves, errors. Text is readable at the width of a README.

Each function returns a matplotlib Figure, made without pyplot; `save` writes it. `canvas` has the colours, `rows` draws
rows, `curves` trainings and searches, `errors` bars of errors.
"""

from diabolo.report.pictures.canvas import BLUE, GREY, ORANGE, save
from diabolo.report.pictures.curves import front, rates, training
from diabolo.report.pictures.errors import columns
from diabolo.report.pictures.rows import reconstructions

__all__ = ["BLUE", "GREY", "ORANGE", "columns", "front", "rates", "reconstructions", "save", "training"]
