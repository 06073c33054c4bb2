"""Kinds of input that real public files have, and that were refused without their reason or taken for something else.

Each kind is tested twice: on a small input that is made here, and on the file of `../cases` next to $DIABOLO_DATA that
stands for it, where there is one. What is read is compared with pandas, or with what the input was made of.
"""

import logging
import os
import re
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from diabolo import Autoencoder, DiaboloError, windows
from diabolo.data import frames
from diabolo.data.frames import texts
from diabolo.data.opening import open_frame, open_source
from diabolo.data.readers import csv, csv_form
from diabolo.data.tables import Reading
from diabolo.errors import DataError

FAST = {"epochs": 1, "random_state": 0, "verbose": False}


@pytest.fixture
def case():
    """A file of the cases, by its name; skipped where they are not there."""

    def find(name):
        path = Path(os.environ.get("DIABOLO_DATA") or "nowhere").parent / "cases" / name
        if not path.is_file():
            pytest.skip(f"set DIABOLO_DATA to a folder next to cases/, which holds {name}")
        return path

    return find


def kinds(source):
    """Return the kind of each column, by name."""
    return {column.name: column.kind for column in source.schema.columns}


def by_rows(header, row, count=60):
    return header + "\n" + "".join(f"{row(at)}\n" for at in range(count))


# An index without a name.


def check_index(path, columns, rows, caplog):
    with caplog.at_level(logging.WARNING):
        opened = open_source(path)
    assert opened.schema.names == columns
    assert opened.rows.shape == rows
    assert caplog.text.count("the first column has no name, and holds the numbers or names of the rows") == 1


def test_an_index_without_a_name_is_left_out_and_said(tmp_path, rng, caplog):
    frame = pd.DataFrame(rng.normal(size=(50, 3)), columns=["p", "q", "r"])
    frame.to_csv(tmp_path / "t.csv")
    check_index(tmp_path / "t.csv", ("p", "q", "r"), (50, 3), caplog)
    np.testing.assert_allclose(open_source(tmp_path / "t.csv").rows, frame)
    frame.sample(frac=0.7, random_state=0).to_csv(tmp_path / "some.csv", sep=";")
    assert open_source(tmp_path / "some.csv").rows.shape == (35, 3)
    frame.assign(kind=["u", "v"] * 25).rename("row {}".format).to_csv(tmp_path / "named.csv")  # as R writes them
    assert kinds(open_source(tmp_path / "named.csv")) == dict.fromkeys("pqr", "number") | {"kind": "category"}
    pd.DataFrame(frame.to_numpy()).to_csv(tmp_path / "numbered.csv")
    np.testing.assert_allclose(open_source(tmp_path / "numbered.csv").rows, frame)


def test_an_index_is_left_out_however_the_file_is_read(tmp_path, rng):
    frame = pd.DataFrame(rng.normal(size=(900, 3)), columns=["p", "q", "r"])
    frame.to_csv(tmp_path / "index.csv")
    frame.to_csv(tmp_path / "plain.csv", index=False)
    for name in ("index", "plain"):
        parts = csv.parts(tmp_path / f"{name}.csv")  # as rows that are more than memory holds are read
        np.testing.assert_allclose(np.concatenate(list(parts[0].read(100))), frame)
    net = Autoencoder(2, **FAST).fit(tmp_path / "plain.csv")
    np.testing.assert_array_equal(net.encode(tmp_path / "index.csv"), net.encode(tmp_path / "plain.csv"))


def test_a_column_that_lost_its_name_is_no_index(tmp_path):
    for row in (lambda at: f"{at % 7},{at}", lambda at: f"{at + 0.5},{at}", lambda at: f"{'uv'[at % 2]},{at}"):
        (tmp_path / "t.csv").write_text(by_rows(",b", row))
        with pytest.raises(DataError, match=r"column 1 has no name in the header: give it one\. Only an index"):
            open_source(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(by_rows("a,,c", lambda at: f"{at},{at},{at}"))
    with pytest.raises(DataError, match="column 2 has no name in the header"):
        open_source(tmp_path / "t.csv")


def test_the_case_of_an_index(case, caplog):
    path = case("1_index.csv")
    check_index(path, ("height", "weight", "total"), (80, 3), caplog)
    np.testing.assert_allclose(open_source(path).rows, pd.read_csv(path, index_col=0))


# Thousands.


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (['"12,928"', '"1,250"', "800"], "thousands separators ('12,928'), which are not read: write 12928 in place"),
        (['"1,234,567"', '"12,928"'], "write 1234567 in place of 1,234,567"),
        (['"1,234.5"', "3.5"], "write 1234.5 in place of 1,234.5"),
        (["1.234.567", "2.345.678"], "write 1234567 in place of 1.234.567"),
        (["1.234,5", '"12,5"', "7"], "write 1234.5 in place of 1.234,5"),
        (["1'234", "12"], "write 1234 in place of 1'234"),
        (["12%", "7.5%"], "holds numbers with a unit or currency ('12%')"),
        (["$1,200", "$800"], "holds numbers with a unit or currency ('$1,200')"),
    ],
)
def test_thousands_are_never_taken_for_decimals(tmp_path, cells, words):
    rows = [cells[at % len(cells)].replace('"', "") for at in range(60)]
    pd.DataFrame({"amount": rows, "visits": range(60)}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError) as refused:
        open_source(tmp_path / "t.csv")
    assert words in str(refused.value)
    assert "--decimal" not in str(refused.value)
    with pytest.raises(DataError) as refused:
        frames.learn(pd.DataFrame({"amount": rows}), where="a frame")
    assert words in str(refused.value)


def test_a_few_thousands_among_numbers_are_named_as_such(tmp_path):
    (tmp_path / "t.csv").write_text(by_rows("a,b", lambda at: f'"1,{at:03d}",{at}' if at == 9 else f"{at},{at}"))
    with pytest.raises(DataError, match=r"column 'a' has thousands separators \('1,009'\)"):
        open_source(tmp_path / "t.csv")


@pytest.mark.parametrize("cells", [["1,5", "2,25"], ["0,532", "1,250"], ["12,928", "3,5"], ["1,5E+03", "7"]])
def test_decimal_commas_are_recognised_by_other_than_three_digits_or_a_zero_in_front(tmp_path, cells):
    rows = [cells[at % 2] for at in range(60)]
    pd.DataFrame({"a": rows, "b": range(60)}).to_csv(tmp_path / "t.csv", index=False, sep=";")
    with pytest.raises(DataError, match=r"column 'a' has decimal commas \('.*'\): add --decimal ,$"):
        open_source(tmp_path / "t.csv")
    read = open_source(tmp_path / "t.csv", reading=Reading(form=csv_form.Options(decimal=",")))
    np.testing.assert_allclose(read.rows[:, 0], [float(each.replace(",", ".")) for each in rows])


def test_an_explicit_decimal_comma_is_obeyed_and_said_where_it_may_part_thousands(tmp_path, caplog):
    pd.DataFrame({"a": ["12,928", "1,250"] * 30, "b": ["1,5", "0,125"] * 30}).to_csv(tmp_path / "t.csv", index=False)
    with caplog.at_level(logging.WARNING):
        read = open_source(tmp_path / "t.csv", reading=Reading(form=csv_form.Options(decimal=",")))
    assert set(read.rows[:, 0]) == {12.928, 1.25}
    assert "column 'a': every comma comes before three digits (12,928)" in caplog.text
    assert "write 12928, and leave --decimal out" in caplog.text
    assert "column 'b'" not in caplog.text


def test_points_under_a_decimal_comma_are_reported(tmp_path):
    form = Reading(form=csv_form.Options(decimal=","))
    pd.DataFrame({"a": ["1.5", "2.25"] * 30, "b": "x"}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"has decimal points \('1.5'\): leave out --decimal ,"):
        open_source(tmp_path / "t.csv", reading=form)
    pd.DataFrame({"a": ["1.234,5", "2.000"] * 30, "b": "x"}).to_csv(tmp_path / "t.csv", index=False, sep=";")
    with pytest.raises(DataError, match=r"write 1234,5 in place of 1\.234,5"):
        open_source(tmp_path / "t.csv", reading=form)


def test_what_a_user_calls_a_category_is_one(tmp_path):
    pd.DataFrame({"a": ["12,928", "1,250"] * 30, "b": range(60)}).to_csv(tmp_path / "t.csv", index=False)
    read = open_source(tmp_path / "t.csv", reading=Reading(types={"a": "category"}))
    assert read.schema.columns[0].levels == ("1,250", "12,928")
    days = pd.DataFrame({"a": ["1/13/2023", "1/14/2023"] * 30})
    assert frames.learn(days, where="a frame", types={"a": "category"}).columns[0].kind == "category"


def test_a_model_says_what_is_wrong_with_a_comma_too(tmp_path):
    (tmp_path / "t.csv").write_text(by_rows("a,b", lambda at: f"{at * 1.5},{at % 7}"))
    net = Autoencoder(1, **FAST).fit(tmp_path / "t.csv")
    for cell, words in (("12,5", "if commas are decimal marks, add --decimal ,"), ("12,928", "write 12928.")):
        (tmp_path / "new.csv").write_text(by_rows("a;b", lambda at, cell=cell: f"{cell};{at % 7}"))
        with pytest.raises(DataError, match=re.escape(words)):
            net.encode(tmp_path / "new.csv")


def test_the_case_of_thousands(cli, case, tmp_path):
    done = cli("schema", case("2_thousands.csv"))
    assert done.code == 2
    assert "column 'amount' has thousands separators ('12,928'), which are not read: write 12928" in done.err
    assert "leave the column out (--drop amount)" in done.err
    assert "--decimal" not in done.err
    done = cli("schema", case("2_thousands.csv"), "--decimal", ",")
    assert "every comma comes before three digits (12,928)" in done.err


# Blanks around cells.

WORK, QUOTED = ("private", "state", "?"), ('"private"', "state", "?")
PADDED = {
    "after commas": by_rows("age, work, hours", lambda at: f"{20 + at}, {WORK[at % 3]}, {at % 9}"),
    "around bars": by_rows("age | work|hours ", lambda at: f"{20 + at} |{WORK[at % 3]} | {at % 9} "),
    "with quotes": by_rows('age, "work", hours', lambda at: f"{20 + at}, {QUOTED[at % 3]} , {at % 9}"),
    "with returns": by_rows("age, work, hours", lambda at: f"{20 + at}, {WORK[at % 3]}, {at % 9} \r"),
}


@pytest.mark.parametrize("how", PADDED)
def test_blanks_around_cells_are_no_part_of_them(tmp_path, how):
    (tmp_path / "t.csv").write_text(PADDED[how], newline="")
    read = open_source(tmp_path / "t.csv")
    assert kinds(read) == {"age": "number", "work": "category", "hours": "number"}
    assert read.schema.columns[1].levels == ("private", "state")
    assert np.isnan(read.rows[:, 1]).sum() == 20
    np.testing.assert_array_equal(read.rows[:, 0], 20 + np.arange(60))
    dropped = open_source(tmp_path / "t.csv", reading=Reading(drop=("work",)))
    assert dropped.schema.names == ("age", "hours")


def test_blanks_within_quotes_stay(tmp_path):
    (tmp_path / "t.csv").write_text(by_rows("a, b", lambda at: f'{at}, "x , {"yz"[at % 2]} "'))
    assert open_source(tmp_path / "t.csv").schema.columns[1].levels == ("x , y ", "x , z ")
    # A quote amid a cell is a letter, and a line may end within quotes.
    (tmp_path / "t.csv").write_text(by_rows("a, b, c", lambda at: f'5" pipe, "u\n , v", {at}'))
    read = csv.read_table(tmp_path / "t.csv").to_pydict()
    assert read == {"a": ['5" pipe'] * 60, "b": ["u\n , v"] * 60, "c": list(range(60))}


def test_a_model_reads_cells_with_blanks_as_those_without(tmp_path, caplog):
    (tmp_path / "padded.csv").write_text(PADDED["after commas"])
    (tmp_path / "bare.csv").write_text(PADDED["after commas"].replace(" ", ""))
    net = Autoencoder(2, **FAST).fit(tmp_path / "padded.csv")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(net.encode(tmp_path / "padded.csv"), net.encode(tmp_path / "bare.csv"))
    assert caplog.text == ""


def test_the_case_of_blanks(case):
    read = open_source(case("3_blanks.csv"))
    assert read.schema.names == ("age", "work", "hours")
    assert read.schema.columns[1].levels == ("private", "state")
    assert np.isnan(read.rows[:, 1]).mean() == pytest.approx(1 / 3)
    assert open_source(case("3_blanks.csv"), reading=Reading(drop=("work",))).schema.names == ("age", "hours")


# Dates.

DAYS = pd.date_range("2023-01-01", periods=40).repeat(3)
FORMS = ["%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%y-%m-%d", "%Y.%m.%d %H:%M", "%b %d %Y", "%d %B %Y", "%b %Y", "%Y-%m"]


@pytest.mark.parametrize("form", FORMS)
def test_dates_in_a_form_that_is_not_read_are_no_category(tmp_path, form):
    pd.DataFrame({"day": DAYS.strftime(form), "load": range(120)}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError) as refused:
        open_source(tmp_path / "t.csv")
    for words in ("column 'day' looks like dates ('", "write them as 2024-05-31 or 31.05.2024", "--drop day"):
        assert words in str(refused.value)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S"])
def test_dates_that_the_documentation_names_are_read(tmp_path, form):
    pd.DataFrame({"day": DAYS.strftime(form), "load": range(120)}).to_csv(tmp_path / "t.csv", index=False)
    assert kinds(open_source(tmp_path / "t.csv"))["day"] == "date"


@pytest.mark.parametrize("form", ["%d.%m.%y", "%d.%m.%y %H:%M"])
def test_years_of_two_digits_are_never_the_first_century(tmp_path, form):
    days = ["" if at == 1 else day for at, day in enumerate(DAYS.strftime(form))]
    frame = pd.DataFrame({"load": range(120), "day": days})
    frame.to_csv(tmp_path / "t.csv", index=False)
    said = r"column 'day' expected years of four digits, got '01\.01\.23.*' in row 0: write dates as 2024-05-31"
    with pytest.raises(DataError, match=said):
        open_source(tmp_path / "t.csv")
    frame.assign(day=["01.01.2023", *days[1:]]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"expected years of four digits, got '01\.01\.23.*' in row 2"):
        open_source(tmp_path / "t.csv")
    frame.assign(day="01.01.2023").to_csv(tmp_path / "good.csv", index=False)
    net = Autoencoder(1, **FAST).fit(tmp_path / "good.csv")
    with pytest.raises(DataError, match="expected years of four digits"):
        net.encode(tmp_path / "t.csv")


def test_an_old_year_of_four_digits_is_a_date(tmp_path):
    (tmp_path / "t.csv").write_text(by_rows("day,load", lambda at: f"{1 + at % 28}.1.{24 + at:04},{at}"))
    assert kinds(open_source(tmp_path / "t.csv"))["day"] == "date"


@pytest.mark.parametrize(
    "levels",
    [
        ["1-2", "3-4"],
        ["v1.2.3", "v1.2.4"],
        ["10.0.0.1", "10.0.0.2"],
        ["may", "june"],
        ["A-12", "B-13"],
        ["12:30", "13:45"],
        ["2012-13", "2013-14"],
        ["marvel 23", "marvel 24"],
        ["1/2", "3/4"],
    ],
)
def test_what_only_resembles_dates_and_numbers_stays_a_category(levels):
    assert frames.learn(pa.table({"a": levels * 30}), where="t").columns[0].levels == tuple(sorted(levels))


def test_the_case_of_dates(cli, case, tmp_path):
    done = cli("schema", case("4_dates.csv"))
    assert done.code == 0
    assert "fit refuses column 'day' looks like dates ('1/1/2023'), in a form that is not read" in done.out
    done = cli("fit", case("4_dates.csv"), "-o", "m")
    assert done.code == 2
    assert "column 'day' looks like dates ('1/1/2023')" in done.err
    assert list(tmp_path.iterdir()) == []


# Frames of texts.


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_frame_is_checked_as_its_file_is(tmp_path, make):
    ages = ["-" if at == 7 else str(20 + at % 40) for at in range(200)]
    days = [f"2024-03-{1 + at % 28:02d}" for at in range(200)]
    load = [float(at % 13) for at in range(200)]
    with pytest.raises(DataError, match="column 'age' expected numbers, got '-' in row 7: correct it") as refused:
        frames.learn(make({"age": ages, "load": load}), where="a frame")
    assert "types={'age': 'category'}" in str(refused.value)
    assert "--" not in str(refused.value)
    pd.DataFrame({"age": ages, "load": load}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="column 'age' expected numbers, got '-' in row 7: correct it"):
        open_source(tmp_path / "t.csv")
    parse = {pd.DataFrame: "pd.to_datetime(frame['day'])", pl.DataFrame: "frame['day'].str.to_datetime()"}[make]
    with pytest.raises(DataError, match=re.escape(f"holds dates as texts ('2024-03-01'): parse them ({parse})")):
        Autoencoder(1, **FAST).fit(make({"day": days, "load": load}))
    parsed = eval(parse, {"pd": pd, "frame": make({"day": days, "load": load})})
    assert frames.learn(make({"day": parsed}), where="a frame").columns[0].kind == "date"


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_what_turns_dates_with_points_into_dates_takes_the_day_first(make):
    frame = make({"day": ["01.02.2024", "03.02.2024"] * 30})
    with pytest.raises(DataError, match=r"holds dates as texts \('01.02.2024'\)") as refused:
        frames.learn(frame, where="a frame")
    parse = re.search(r"parse them \((.*)\), or", str(refused.value))[1]
    parsed = eval(parse, {"pd": pd, "frame": frame})
    assert [f"{day:%Y-%m-%d}" for day in parsed[:2]] == ["2024-02-01", "2024-02-03"]


def test_numbers_as_texts_are_reported_and_codes_are_not():
    with pytest.raises(DataError, match=r"holds numbers as texts \('10'\): turn them into numbers \(pd.to_numeric"):
        frames.learn(pd.DataFrame({"a": [str(10 + at) for at in range(30)]}), where="a frame")
    with pytest.raises(DataError, match="expected dates such as '2024-03-01', got 'soon' in row 3"):
        frames.learn(pd.DataFrame({"a": ["2024-03-01"] * 3 + ["soon"] + ["2024-03-02"] * 30}), where="a frame")
    codes = pd.DataFrame({"zip": [f"{at % 3:03d}" for at in range(30)]})
    assert frames.learn(codes, where="a frame").columns[0].levels == ("000", "001", "002")
    coded = pd.DataFrame({"a": pd.Categorical([str(at % 3) for at in range(30)])})
    assert frames.learn(coded, where="a frame").columns[0].kind == "category"


def test_the_case_of_a_frame_of_texts(case):
    # The case calls the module by the name that it had when the case was written.
    script = case("5_frame_text.py").read_text().replace("data import schema", "data import frames as schema")
    with pytest.raises(DiaboloError, match="column 'age' expected numbers, got '-' in row 7"):
        exec(compile(script, "5_frame_text.py", "exec"), {"__name__": "case"})


# Uneven steps in time.


def uneven():
    """300 moments 5 minutes apart, but that each third one of the first half comes 10 minutes late."""
    steps = np.where((np.arange(300) % 3 == 0) & (np.arange(300) < 150), 15, 5)
    return pd.DataFrame({"when": pd.Timestamp("2024-01-01") + pd.to_timedelta(steps.cumsum(), "min"), "x": range(300)})


def test_rows_that_gaps_keep_out_of_windows_are_counted_with_what_to_do(cli, tmp_path, caplog):
    frame = uneven()
    with caplog.at_level(logging.WARNING):
        cut = windows(frame, time="when", window=12)
    inside = len(cut.rows) * 12
    assert 0 < inside < 160
    assert f"windows(): {inside} of 300 rows are in windows, {300 - inside} are not: " in caplog.text
    assert "because 49 gaps in time, longer than 7.5min, leave fewer than 12 together" in caplog.text
    assert "max_gap=None to span gaps, or resample='5min' to fill them with missing values" in caplog.text
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = cli("windows", "t.csv", "--time", "when", "--window", "12")
    assert done.code == 0, done.err
    assert f"t.csv: {inside} of 300 rows are in windows, {300 - inside} are not" in done.err
    assert "--max-gap none to span gaps, or --resample 5min to" in done.err
    assert f"\n{inside} of 300 rows are in windows, {300 - inside} are not" in done.out
    done = cli("windows", "t.csv", "--time", "when", "--window", "12", "--max-gap", "3", "-o", "all.npy")
    assert (done.code, done.err) == (0, "")
    assert np.load(tmp_path / "all.npy").shape == (25, 12, 1)
    done = cli("windows", "t.csv", "--time", "when", "--window", "200", "-o", "long.npy")
    assert done.code == 2
    assert "choose a shorter --window, or --max-gap none to span gaps" in done.err
    assert "max_gap=None" not in done.err
    done = cli("windows", "t.csv", "--time", "when", "--window", "12", "--max-gap", "many")
    assert "--max-gap must be none, a duration such as 10min, or a number of median steps" in done.err


def test_rows_that_are_all_in_windows_are_no_news_and_short_series_are(caplog):
    frame = pd.DataFrame({"t": [*range(30), *range(5)], "who": ["a"] * 30 + ["b"] * 5, "x": 1.0})
    with caplog.at_level(logging.WARNING):
        windows(frame[:30].drop(columns="who"), time="t", window=7)
        assert caplog.text == ""
        windows(frame, time="t", entity="who", window=7)
    assert "28 of 35 rows are in windows, 7 are not: 5 in series with fewer than 7 rows; 2 between" in caplog.text


def test_the_case_of_uneven_steps(cli, case, tmp_path):
    path = case("6_jitter.csv")
    done = cli("windows", path, "--time", "when", "--window", "12", "-o", "w.npy")
    assert done.code == 0
    assert "36 of 1,000 rows are in windows, 964 are not: 955 because 354 gaps in time, longer than 7.5min" in done.out
    assert "--max-gap none to span gaps" in done.err
    done = cli("windows", path, "--time", "when", "--window", "24", "-o", "v.npy")
    assert done.code == 2
    assert "choose a shorter --window, or --max-gap none to span gaps" in done.err
    assert cli("windows", path, "--time", "when", "--window", "24", "--max-gap", "none", "-o", "v.npy").code == 0
    assert np.load(tmp_path / "v.npy").shape == (41, 24, 1)
    done = cli("windows", path, "--window", "24", "--resample", "5min", "-o", "r.npz")
    assert done.code == 0, done.err
    rows = np.load(tmp_path / "r.npz")["rows"]
    grid = pd.read_csv(path, parse_dates=["when"], index_col="when").resample("5min").mean()
    assert np.nansum(rows) <= grid["speed"].sum()
    assert set(rows[~np.isnan(rows)]) <= set(grid["speed"])


# Pooling by Keras' default.


def test_pooling_by_keras_default_is_the_same_where_nothing_is_left_over():
    import keras

    from diabolo.network.backends.keras import reading as from_keras

    for pooling, function in ((keras.layers.MaxPooling2D, "max"), (keras.layers.AveragePooling2D, "average")):
        model = keras.Sequential([keras.Input((16, 8, 1)), pooling(2)])
        (layer,) = from_keras.read(model).layers
        assert (layer.size, layer.function) == (2, function)
        # What Diabolo builds pools with padding 'same', the model with 'valid'.
        rows = np.random.default_rng(0).random((3, 16, 8, 1), dtype=np.float32)
        same = keras.Sequential([keras.Input((16, 8, 1)), pooling(2, padding="same")])
        np.testing.assert_array_equal(model.predict(rows, verbose=0), same.predict(rows, verbose=0))
    odd = keras.Sequential([keras.Input((15, 8, 1)), keras.layers.MaxPooling2D(2)])
    (layer,) = from_keras.read(odd).layers
    assert layer.output_shape((15, 8, 1)) == (7, 4, 1)


def test_the_case_of_pooling(case, capsys):
    runpy.run_path(str(case("7_keras_pool.py")))
    assert capsys.readouterr().out.endswith("(40, 16, 16, 1)\n")


# Years as names.


def test_years_over_texts_and_numbers_are_names(tmp_path):
    lands = ("Uri", "Zug", "Bern")
    (tmp_path / "t.csv").write_text(by_rows("land,1952,1957", lambda at: f"{lands[at % 3]},{at * 100},{at * 90}"))
    read = open_source(tmp_path / "t.csv")
    assert kinds(read) == {"land": "category", "1952": "number", "1957": "number"}
    assert read.schema.columns[0].levels == ("Bern", "Uri", "Zug")
    assert len(read.rows) == 60
    one = by_rows("land,2022", lambda at: f"{lands[at % 3]},{at / 100}")
    (tmp_path / "t.csv").write_text(one)
    assert kinds(open_source(tmp_path / "t.csv")) == {"land": "category", "2022": "number"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # A row as any other; names of rows; a text that is none of the levels below it.
        (by_rows("Uri,1952,1957", lambda at: f"{('Uri', 'Zug')[at % 2]},{1900 + at},{1950 + at}"), ["f0", "f1", "f2"]),
        (by_rows("place 1,1952,1957", lambda at: f"place {2 + at},{1900 + at},{1950 + at}"), ["f0", "f1", "f2"]),
        (by_rows("land,12,57", lambda at: f"{('Uri', 'Zug')[at % 2]},{at},{at}"), ["land", "12", "57"]),
    ],
)
def test_a_first_line_that_may_be_a_row_is_read_as_what_it_resembles_and_said(tmp_path, caplog, text, names):
    (tmp_path / "t.csv").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert csv.read_table(tmp_path / "t.csv").column_names == names
    assert ("add --header" if names[0] == "f0" else "add --no-header") in caplog.text


def test_the_case_of_years(case):
    read = open_source(case("8_years.csv"))
    assert kinds(read) == {"continent": "category", "1952": "number", "1957": "number"}
    assert read.schema.columns[0].levels == ("Africa", "Americas", "Asia", "Europe", "Oceania")
    np.testing.assert_array_equal(read.rows[:, 1:], pd.read_csv(case("8_years.csv"))[["1952", "1957"]])


def test_texts_that_are_numbers_are_found_in_every_type_of_text():
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        cells = texts.as_texts(pa.array(["1,234", None, "12"], kind))
        assert "write 1234 in place of 1,234" in texts.numbers_in(cells, "'a'", "")
    assert texts.numbers_in(pa.array([None], pa.string()), "'a'", "") is None
    assert texts.dates_in(pa.array([None], pa.string()), "'a'", "") is None


def test_the_index_is_left_out_of_windows_as_well(tmp_path):
    uneven().to_csv(tmp_path / "t.csv")
    assert open_frame(str(tmp_path / "t.csv"), Reading()).column_names == ["when", "x"]
