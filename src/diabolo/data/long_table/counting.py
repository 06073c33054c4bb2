"""How many rows of a long table are in windows, how many are not, and why."""

from typing import NamedTuple


class Count(NamedTuple):
    """How many rows are in windows, and how many are not, by reason; the first six numbers add up to `rows`.

    Attributes:
        used: rows that are in windows.
        twice: left out, because their time stood in the table before.
        between_gaps: left out, because gaps leave fewer rows together than a window has.
        short: left out, because their series is shorter than a window.
        sparse: left out, because less than half of the moments of their windows have a row.
        rest: left out, because they follow the last window of a series, or stand between two windows.
        rows: of the table.
        merged: rows that share their moment with an earlier one.
        gaps: the number of gaps.
        limit: what every gap is longer than, in words; empty if there are none.
        longest: the moments of the longest series between gaps.
        window: rows in a window.
        missing: moments in windows for which there is no row, and their number.
        moments: that are in windows.
    """

    used: int
    twice: int
    between_gaps: int
    short: int
    sparse: int
    rest: int
    rows: int
    merged: int
    gaps: int
    limit: str
    longest: int
    window: int
    missing: int
    moments: int

    @property
    def words(self) -> str:
        """All of it in one line."""
        left_out = self.rows - self.used
        gaps = f"{self.gaps:,} gap{'s' * (self.gaps != 1)} in time, longer than {self.limit},"
        reasons = {
            f"because {gaps} leave{'s' * (self.gaps == 1)} fewer than {self.window} together": self.between_gaps,
            f"in series with fewer than {self.window} rows": self.short,
            "in windows of which less than half would have a row": self.sparse,
            "whose time stands twice": self.twice,
            "between or after the windows of a series": self.rest,
        }
        parts = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
        text = f"{self.used:,} of {self.rows:,} rows are in windows"
        if left_out:
            text += f", {left_out:,} {'is' if left_out == 1 else 'are'} not: {'; '.join(parts)}"
        if self.merged:
            text += f". {self.merged:,} share their moment with another row, so that the mean was taken"
        if self.missing:
            text += f". {self.missing:,} of {self.moments:,} moments in windows have no row, so that values are missing"
        return text
