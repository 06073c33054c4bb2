"""Rows of a long table that are in no window: why, and the settings with which fewer are left out."""

import logging

import numpy as np

from diabolo.data.long_table.counting import Count
from diabolo.data.long_table.form import SeriesForm, Spelling
from diabolo.data.long_table.moments import Moments
from diabolo.data.long_table.table import LongTable

logger = logging.getLogger(__name__)


def no_windows(table: LongTable, moments: Moments, count: Count, form: SeriesForm, spelt: Spelling) -> str:
    """Return why there is no window, and what to do."""
    clock = table.times.clock
    if count.sparse:
        instead = clock.span(moments.median)
        return (
            f"{table.where}: no window of {form.window} has a row at half of its moments, which are {form.resample} "
            f"apart, and the rows {instead} (the median): give a longer {spelt.setting('resample')}, or a shorter "
            f"{spelt.setting('window')}."
        )
    remedy = _against_gaps(table, moments, form, spelt) if count.gaps else ""
    return (
        f"{table.where}: no series has {form.window} rows, the longest has {count.longest}: choose a shorter "
        f"{spelt.setting('window')}{', or ' if remedy else ''}{remedy}."
    )


def warn_of_left_out(table: LongTable, moments: Moments, count: Count, form: SeriesForm, spelt: Spelling) -> None:
    """Log how many rows are lost to gaps or to series that are too short, and what to do."""
    if count.between_gaps:
        remedy = _against_gaps(table, moments, form, spelt)
        logger.warning("%s: %s. Choose a shorter %s, or %s", table.where, count.words, spelt.setting("window"), remedy)
    elif count.short or count.sparse:
        logger.warning("%s: %s", table.where, count.words)


def _against_gaps(table: LongTable, moments: Moments, form: SeriesForm, spelt: Spelling) -> str:
    """Return the settings with which fewer rows are lost to gaps."""
    clock = table.times.clock
    longer = float(np.quantile(moments.gaps, 0.9))
    shown = clock.span(longer, up=True)
    if clock.per_second is None:  # where a number counts median steps
        shown = f"{max(2, int(np.ceil(longer / (moments.median or 1))))}"
    text = f"{spelt.none('max_gap')} to span gaps"
    if longer < moments.gaps.max():
        text += f", or {spelt.setting('max_gap', shown)} to span the shorter ones"
    if not form.resample and moments.median > 0:
        text += f", or {spelt.setting('resample', clock.span(moments.median))} to fill them with missing values"
    return text
