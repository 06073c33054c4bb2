"""Pictures: rows above their reconstructions, curves, maps, traversals, errors. Text is readable at README width.

Each function returns a matplotlib Figure, made without pyplot; `save` writes it. `canvas` has the colours, `rows` and
`tables` draw rows, `curves` trainings and searches, `maps` latents, `traversals` what a latent does, `errors` bars.
"""

from diabolo.report.pictures.canvas import BLUE, ENDINGS, GREY, ORANGE, save
from diabolo.report.pictures.curves import front, rates, training
from diabolo.report.pictures.errors import columns, row_errors
from diabolo.report.pictures.maps import latents
from diabolo.report.pictures.rows import reconstructions
from diabolo.report.pictures.traversals import traversal

__all__ = [
    "BLUE",
    "ENDINGS",
    "GREY",
    "ORANGE",
    "columns",
    "front",
    "latents",
    "rates",
    "reconstructions",
    "row_errors",
    "save",
    "training",
    "traversal",
]
