"""Excel's sheets, .xlsx."""

import datetime
from collections.abc import Iterable
from typing import Any, BinaryIO, ClassVar

from diabolo.data.formats.sheets import Sheets
from diabolo.data.readers.workbooks import MAX_COLUMNS, MAX_ROWS
from diabolo.errors import MissingExtraError, OutputError
from diabolo.typing import ArrowTable

LONGEST_TEXT = 32_767  # characters of a cell, in Excel
MOST_DIGITS = 10**15  # Excel holds numbers as doubles and shows 15 digits; longer ones, such as ids, are texts
OLDEST = datetime.datetime(1900, 3, 1)  # before it, Excel counts a day that there never was
OPTIONS = {
    "constant_memory": True,  # rows are written as they come
    "strings_to_formulas": False,  # a text from a stranger that begins with = must stay a text
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}


class Xlsx(Sheets):
    """Sheets in an .xlsx file."""

    endings: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm")
    words: ClassVar[str] = "an Excel file (.xlsx)"

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write one sheet. Raises OutputError for more rows or columns than a sheet can have."""
        try:
            import xlsxwriter
        except ImportError as error:
            raise MissingExtraError(
                "XlsxWriter, which writes .xlsx, is not installed: pip install 'diabolo[data]'."
            ) from error
        with xlsxwriter.Workbook(file, OPTIONS) as book:
            book.set_properties({"created": datetime.datetime(2000, 1, 1)})  # the same rows give the same bytes
            sheet = book.add_worksheet()
            formats = {
                datetime.date: book.add_format({"num_format": "yyyy-mm-dd"}),
                datetime.datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
                datetime.time: book.add_format({"num_format": "hh:mm:ss"}),
                datetime.timedelta: book.add_format({"num_format": "[h]:mm:ss"}),
            }
            row = 0
            for table in tables:
                if not row:
                    sheet.write_row(0, 0, table.column_names)
                    row = 1
                if row + len(table) > MAX_ROWS or table.num_columns > MAX_COLUMNS:
                    raise OutputError(
                        f"a sheet has at most {MAX_ROWS:,} rows and {MAX_COLUMNS:,} columns: write .csv or .parquet."
                    )
                for cells in zip(*(column.to_pylist() for column in table.columns), strict=True):
                    for at, value in enumerate(cells):
                        _write(sheet, row, at, value, formats)
                    row += 1


def _write(sheet: Any, row: int, column: int, value: Any, formats: dict[type, Any]) -> None:
    """Write a cell. Raises OutputError for a text that is too long."""
    if value is None or value != value:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, (int, float)) and abs(value) < (MOST_DIGITS if isinstance(value, int) else float("inf")):
        sheet.write_number(row, column, value)
    elif isinstance(value, datetime.datetime) and value.tzinfo is None and value >= OLDEST:
        sheet.write_datetime(row, column, value, formats[datetime.datetime])
    elif isinstance(value, datetime.date) and not isinstance(value, datetime.datetime) and value >= OLDEST.date():
        sheet.write_datetime(row, column, value, formats[datetime.date])
    elif isinstance(value, (datetime.time, datetime.timedelta)):
        sheet.write_datetime(row, column, value, formats[type(value)])
    else:
        text = value.isoformat() if isinstance(value, datetime.date) else str(value)
        if len(text) > LONGEST_TEXT:
            raise OutputError(
                f"a cell of Excel holds at most {LONGEST_TEXT:,} characters, got {len(text):,}: write .csv."
            )
        sheet.write_string(row, column, text)
