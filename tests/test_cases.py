"""Kinds of input that real public files have, and that were refused without their reason or taken for something else.

Each kind is tested twice: on a small input that is made here, and on the file of `../cases` next to $DIABOLO_DATA that
stands for it, where there is one. What is read is compared with pandas, or with what the input was made of.
"""

import datetime
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

from diabolo import Autoencoder, windows
from diabolo.data import frames
from diabolo.data.frames import texts
from diabolo.data.opening import open_rows, open_source
from diabolo.data.readers import csv
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
    assert [(each.name, each.reason) for each in opened.schema.left_out] == [("", "row index")]
    assert caplog.text.count("left out 1 of") == 1


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
        stream = open_rows(tmp_path / f"{name}.csv", 20_000)  # as rows that are more than memory holds are read
        np.testing.assert_allclose(np.concatenate(list(stream.chunks(100))), frame)
        assert stream.schema.names == ("p", "q", "r")
    net = Autoencoder(2, **FAST).fit(tmp_path / "plain.csv")
    np.testing.assert_array_equal(net.encode(tmp_path / "index.csv"), net.encode(tmp_path / "plain.csv"))


def test_a_column_that_lost_its_name_is_left_out_and_is_no_index(tmp_path):
    for row in (lambda at: f"{at % 7},{at % 9}", lambda at: f"{at % 4 + 0.5},{at}", lambda at: f"{'uv'[at % 2]},{at}"):
        (tmp_path / "t.csv").write_text(by_rows(",b", row))
        assert [each.reason for each in open_source(tmp_path / "t.csv").schema.left_out] == ["no name"]
        with pytest.raises(DataError, match=r"'' \(no name\)"):
            open_source(tmp_path / "t.csv", reading=Reading(strict=True))


def test_a_column_without_a_name_after_others_is_learnt_unless_it_numbers_the_rows(tmp_path):
    (tmp_path / "t.csv").write_text(by_rows("a,,b,", lambda at: f"{at % 7},{'xy'[at % 2]},{at % 9},{at}"))
    schema = open_source(tmp_path / "t.csv").schema
    assert schema.names == ("a", "Unnamed: 1", "b")
    assert [(each.name, each.reason) for each in schema.left_out] == [("Unnamed: 3", "row index")]


@pytest.mark.parametrize("name", ["id", "RespondentID", "customer_id", "a"])
def test_identifiers_may_be_missing_in_a_few_rows(name):
    frame = pd.DataFrame({name: np.arange(100) * 7.0 + 3, "b": np.arange(100) % 9 / 2})
    frame.loc[[5, 50], name] = np.nan  # so that pandas holds floats
    left_out = frames.learn(frame, where="t").left_out
    assert [each.reason for each in left_out] == ["identifiers, 98 different whole numbers"] * (name != "a")


def test_the_case_of_an_index(case, caplog):
    path = case("1_index.csv")
    check_index(path, ("height", "weight", "total"), (80, 3), caplog)
    np.testing.assert_allclose(open_source(path).rows, pd.read_csv(path, index_col=0))


# Thousands.


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (['"12,928"', '"1,250"', "800"], [12928, 1250, 800]),
        (['"1,234,567"', '"12,928"'], [1234567, 12928]),
        (['"1,234.5"', "3.5"], [1234.5, 3.5]),
        (["1.234.567", "2.345.678"], [1234567, 2345678]),
        (["1.234,5", '"12,5"', "7"], [1234.5, 12.5, 7]),
        (["1'234", "12"], [1234, 12]),
        (["12%", "7.5%"], [12, 7.5]),
        (["$1,200", "$800"], [1200, 800]),
    ],
)
def test_thousands_are_never_taken_for_decimals(tmp_path, cells, values):
    rows = [cells[at % len(cells)].replace('"', "") for at in range(60)]
    frame = pd.DataFrame({"amount": rows, "visits": range(60)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    expected = [values[at % len(values)] for at in range(60)]
    np.testing.assert_array_equal(open_source(tmp_path / "t.csv").rows[:, 0], expected)
    np.testing.assert_array_equal(open_source(frame).rows[:, 0], expected)


def test_a_few_thousands_among_numbers_are_numbers(tmp_path):
    (tmp_path / "t.csv").write_text(by_rows("a,b", lambda at: f'"1,{at:03d}",{at}' if at == 9 else f"{at},{at}"))
    np.testing.assert_array_equal(
        open_source(tmp_path / "t.csv").rows[:, 0], [1009 if at == 9 else at for at in range(60)]
    )


@pytest.mark.parametrize("cells", [["1,5", "2,25"], ["0,532", "1,250"], ["12,928", "3,5"], ["1,5E+03", "7"]])
def test_decimal_commas_are_recognised_by_other_than_three_digits_or_a_zero_in_front(tmp_path, cells):
    rows = [cells[at % 2] for at in range(60)]
    pd.DataFrame({"a": rows, "b": range(60)}).to_csv(tmp_path / "t.csv", index=False, sep=";")
    for reading in (Reading(), Reading(cells=frames.Cells(decimal=","))):
        read = open_source(tmp_path / "t.csv", reading=reading)
        np.testing.assert_allclose(read.rows[:, 0], [float(each.replace(",", ".")) for each in rows])


def test_a_comma_with_two_readings_is_said_and_an_explicit_decimal_comma_is_obeyed(tmp_path, caplog):
    pd.DataFrame({"a": ["12,928", "1,250"] * 30, "b": ["1,5", "0,125"] * 30}).to_csv(tmp_path / "t.csv", index=False)
    with caplog.at_level(logging.WARNING):
        read = open_source(tmp_path / "t.csv")
    assert set(read.rows[:, 0]) == {12928, 1250}
    assert "column 'a': 12,928 is read as 12928: types={'a': 'number:,'} if they are decimal commas" in caplog.text
    assert "column 'b'" not in caplog.text
    read = open_source(tmp_path / "t.csv", reading=Reading(cells=frames.Cells(decimal=",")))
    assert set(read.rows[:, 0]) == {12.928, 1.25}


def test_points_under_a_decimal_comma_separate_thousands(tmp_path):
    reading = Reading(cells=frames.Cells(decimal=","))
    pd.DataFrame({"a": ["1.500", "2.250"] * 30, "b": ["x", "y"] * 30}).to_csv(tmp_path / "t.csv", index=False)
    assert set(open_source(tmp_path / "t.csv", reading=reading).rows[:, 0]) == {1500, 2250}
    pd.DataFrame({"a": ["1.5", "2.25"] * 30, "b": ["x", "y"] * 30}).to_csv(tmp_path / "t.csv", index=False)
    assert open_source(tmp_path / "t.csv", reading=reading).schema.names == ("b",)  # no number has such points


def test_what_a_user_calls_a_category_is_one(tmp_path):
    pd.DataFrame({"a": ["12,928", "1,250"] * 30, "b": range(60)}).to_csv(tmp_path / "t.csv", index=False)
    read = open_source(tmp_path / "t.csv", reading=Reading(types={"a": "category"}))
    assert read.schema.columns[0].levels == ("1,250", "12,928")
    days = pd.DataFrame({"a": ["1/13/2023", "1/14/2023"] * 30})
    assert frames.learn(days, where="a frame", types={"a": "category"}).columns[0].kind == "category"


def test_the_case_of_thousands(cli, case, tmp_path):
    done = cli("schema", case("2_thousands.csv"))
    assert done.code == 0
    assert re.search(r"amount +number .* 1250 to 87831", done.out)
    theirs = pd.read_csv(case("2_thousands.csv"), thousands=",")["amount"]
    np.testing.assert_array_equal(open_source(case("2_thousands.csv")).rows[:, 1], theirs)


@pytest.mark.parametrize("comma", [True, False])
def test_a_point_before_three_digits_follows_the_decimal_commas_of_other_columns(tmp_path, caplog, comma):
    values = np.arange(60) * 1_013 + 1_677
    rates = [f"{at}{',' if comma else '.'}{at % 10}" for at in range(60)]
    lines = [f"{value // 1000}.{value % 1000:03};{rate}" for value, rate in zip(values, rates, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["value;rate", *lines]))
    with caplog.at_level(logging.WARNING):
        net = Autoencoder(1, **FAST).fit(tmp_path / "t.csv")
    rows = open_source(tmp_path / "t.csv").rows
    np.testing.assert_allclose(rows[:, 0], values if comma else values / 1000)
    np.testing.assert_allclose(rows[:, 1], [at + at % 10 / 10 for at in range(60)])
    assert ("--types value=number:. if they are decimal points" in caplog.text) == comma
    declared = open_source(tmp_path / "t.csv", reading=Reading(types={"value": "number:."})).rows if comma else rows
    np.testing.assert_allclose(declared[:, 0], values / 1000)
    assert len(net.encode(tmp_path / "t.csv")) == 60


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
    net = Autoencoder(2, **FAST).fit(tmp_path / "padded.csv", evaluate=False)
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


@pytest.mark.parametrize("form", [*FORMS, "%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y"])
def test_dates_are_read_in_every_form_that_has_one_reading(tmp_path, form):
    frame = pd.DataFrame({"day": DAYS.strftime(form), "load": range(120)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    expected = (pd.to_datetime(frame["day"], format=form) - pd.Timestamp("1970-01-01")).dt.total_seconds()
    for source in (tmp_path / "t.csv", frame):
        read = open_source(source)
        assert kinds(read)["day"] == "date"
        np.testing.assert_array_equal(read.rows[:, 0], expected)


def test_an_old_year_of_four_digits_is_not_a_date_of_this_century(tmp_path):
    (tmp_path / "t.csv").write_text(by_rows("day,load", lambda at: f"{1 + at % 28}.1.{1524 + at:04},{at}"))
    read = open_source(tmp_path / "t.csv")
    assert kinds(read)["day"] == "date"
    assert read.rows[0, 0] == (datetime.date(1524, 1, 1) - datetime.date(1970, 1, 1)).days * 86_400


@pytest.mark.parametrize(
    "levels",
    [
        ["1-2", "3-4"],
        ["v1.2.3", "v1.2.4"],
        ["10.0.0.1", "10.0.0.2"],
        ["may", "june"],
        ["A-12", "B-13"],
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
    assert re.search(r"day +date .* 2023-01-01 to 2023-02-12", done.out)
    read = open_source(case("4_dates.csv"))
    days = pd.to_datetime(pd.read_csv(case("4_dates.csv"))["day"], format="%m/%d/%Y")
    np.testing.assert_array_equal(read.rows[:, 0], (days - pd.Timestamp("1970-01-01")).dt.total_seconds())
    assert f"{days.min():%Y-%m-%d} {days.max():%Y-%m-%d}" == "2023-01-01 2023-02-12"
    done = cli("fit", case("4_dates.csv"), "--epochs", "1", "-o", "m")
    assert done.code == 0, done.err
    assert re.search(r"latent +1 number for 3", done.out)


# Frames of texts.


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_frame_means_what_its_file_means(tmp_path, make):
    ages = ["-" if at == 7 else str(20 + at % 40) for at in range(200)]
    days = [f"2024-03-{1 + at % 28:02d}" for at in range(200)]
    frame = make({"age": ages, "day": days, "load": [float(at % 13) for at in range(200)]})
    pd.DataFrame({name: frame[name] for name in ("age", "day", "load")}).to_csv(tmp_path / "t.csv", index=False)
    of_frame, of_file = open_source(frame), open_source(tmp_path / "t.csv")
    assert kinds(of_frame) == kinds(of_file) == {"age": "number", "day": "date", "load": "number"}
    np.testing.assert_array_equal(of_frame.rows, of_file.rows)
    assert np.isnan(of_frame.rows[7, 0])
    assert np.isnan(of_frame.rows[:, 0]).sum() == 1


def test_numbers_as_texts_are_numbers_and_codes_are_not():
    numbers = frames.learn(pd.DataFrame({"a": [str(10 + at) for at in range(30)]}), where="a frame")
    assert numbers.columns[0].kind == "number"
    days = pd.DataFrame({"a": ["2024-03-01"] * 3 + ["soon"] + ["2024-03-02"] * 30, "x": range(34)})
    assert "dates, but also 'soon'" in frames.learn(days, where="a frame").left_out[0].reason
    codes = pd.DataFrame({"zip": [f"{at % 3:03d}" for at in range(30)]})
    assert frames.learn(codes, where="a frame").columns[0].levels == ("000", "001", "002")
    coded = pd.DataFrame({"a": pd.Categorical([str(at % 3) for at in range(30)])})
    assert frames.learn(coded, where="a frame").columns[0].kind == "category"


def test_the_case_of_a_frame_of_texts(case, capsys):
    # The case calls the module by the name that it had when the case was written.
    script = case("5_frame_text.py").read_text().replace("data import schema", "data import frames as schema")
    exec(compile(script, "5_frame_text.py", "exec"), {"__name__": "case"})
    assert capsys.readouterr().out.splitlines() == ["age number 0", "day date 0", "load number 0"]


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


def test_an_encoder_that_pools_by_default_is_learnt_from(rng):
    import keras
    from keras import layers

    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(2, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(16),
            layers.Reshape((4, 4, 1)),
            layers.UpSampling2D(2),
            layers.Conv2D(1, 3, padding="same"),
        ]
    )
    rows = rng.random((40, 8, 8, 1), dtype=np.float32)
    model = Autoencoder(3, structure=(encoder, decoder), **FAST).fit(rows)
    assert model.reconstruct(rows).shape == (40, 8, 8, 1)
    network, weights = model.model_.network, model.model_.weights
    names = [
        f"{step.layer.name}/{name}" for step in network.encoder_steps for name in step.layer.weights(step.input_shape)
    ]
    encoder.set_weights([weights[name] for name in names])
    expected = encoder.predict(model.model_.adapter.adapt(rows), verbose=0)
    np.testing.assert_allclose(model.encode(rows), expected, rtol=1e-5, atol=1e-5)


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
        frame = pa.table({"a": pa.array(["1,234", None, "12"], kind)})
        schema = frames.learn(frame, where="t")
        np.testing.assert_array_equal(frames.read(frame, schema, where="t").rows[:, 0], [1234, np.nan, 12])
    assert texts.find(pa.array([None], pa.string()), "a").form is None


def test_the_index_is_left_out_of_windows_as_well(cli, tmp_path, caplog):
    uneven().to_csv(tmp_path / "t.csv")
    done = cli("windows", "t.csv", "--window", "12", "--max-gap", "none")
    assert done.code == 0, done.err
    assert "channels: x\n" in done.out
    with caplog.at_level(logging.WARNING):
        assert windows(pd.read_csv(tmp_path / "t.csv"), time="when", window=12, max_gap=None).channels == ("x",)
    assert "left out 'Unnamed: 0', an index without a name" in caplog.text
