"""Texts that mean "no value", in files and frames alike."""

# pandas reads these as missing.
OF_PANDAS = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
)
OF_DATABASES = ("\\N", "NUL")  # MySQL and Hive write \N
OF_PEOPLE = ("?", "-", "--", "---", ".", "..")  # UCI writes ?, statistical offices write dashes and dots
OF_SPREADSHEETS = ("#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!")

MISSING: tuple[str, ...] = OF_PANDAS + OF_DATABASES + OF_PEOPLE + OF_SPREADSHEETS
