"""`diabolo schema DATA`: the inferred kind of each column of a table."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.checks import check_data
from diabolo.cli.options import Json
from diabolo.cli.reading import OF_TABLES, reads

if TYPE_CHECKING:
    from diabolo.data.frames import Column, Schema
    from diabolo.data.tables import Reading
    from diabolo.typing import Float64Array

LEVELS = 4  # named for each category


@reads(*OF_TABLES)
def schema(
    *,
    how: "Reading",
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A table: .csv, .parquet, .feather, .jsonl, .xlsx, ..., a folder or a pattern."
        ),
    ],
    json: Json = False,
) -> None:
    """Show the kind of each column of DATA and its missing cells, or why `diabolo fit` leaves the column out."""
    import numpy as np

    from diabolo.data import memory
    from diabolo.data.opening import open_rows
    from diabolo.data.sources import Source
    from diabolo.errors import DataError

    check_data(data, how, None)
    how = how._replace(brief=not how.strict)
    opened = open_rows(data, memory.limit(None), reading=how)
    if not isinstance(opened, Source) or opened.schema is None:
        raise DataError(f"{data} has no column names: expected a table with a header, of a size that fits in memory.")
    columns, facts = opened.schema.columns, []
    for at, column in enumerate(columns):
        values = opened.rows[:, at].astype(float)
        missing = int(np.isnan(values).sum())
        facts.append((column, missing, _range(opened.schema, column, values)))
    if json:
        import json as writer

        print(
            writer.dumps(
                {
                    "rows": len(opened.rows),
                    "columns": [
                        {"name": column.name, "kind": column.kind, "type": column.arrow, "missing": missing}
                        | ({"levels": list(column.levels)} if column.levels else {})
                        for column, missing, _ in facts
                    ],
                    "left_out": {each.name: each.reason for each in opened.schema.left_out},
                }
            )
        )
        return
    from diabolo.cli.show import count, print_tables, table

    result = table(header=True)
    for head in ("column", "kind", "type", "missing", "values"):
        result.add_column(head, justify="right" if head == "missing" else "left", no_wrap=head == "kind")
    for column, missing, words in facts:
        share = f"{missing:,} ({missing / len(opened.rows):.1%})" if missing else ""
        result.add_row(column.name, column.kind, column.arrow, share, words)
    left_out = opened.schema.left_out
    size = count(len(columns) + len(left_out), "column")
    reasons = [f"left out: {each.name!r} ({each.reason})" for each in left_out]
    print_tables(f"{opened.name}: {count(len(opened.rows), 'row')} of {size}", "", result, *reasons)


def _range(schema: "Schema", column: "Column", values: "Float64Array") -> str:
    """Return the levels of a column, or its lowest and highest value."""
    import numpy as np

    from diabolo.data import frames

    if column.kind == "category":
        shown = ", ".join(map(str, column.levels[:LEVELS]))
        more = len(column.levels) - LEVELS
        return shown + (f" and {more} more" if more > 0 else "")
    if column.kind == "boolean":
        return f"true {np.nanmean(values):.0%}"
    # Numbers and dates as they are read, so that another reading than the right one shows.
    plain = ("date32[day]", "int64") if column.whole else ("timestamp[s]", "double")
    typed = column if column.form is None else replace(column, form=None, arrow=plain[column.kind != "date"])
    one = type(schema)(columns=(typed,), library="pyarrow")
    ends = frames.write(np.array([[np.nanmin(values)], [np.nanmax(values)]]), one).column(0).to_pylist()
    return " to ".join(f"{end:.6g}" if isinstance(end, float) else str(end) for end in ends)
