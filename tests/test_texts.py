"""What texts in cells mean: numbers, dates and booleans as people write them, and marks for missing cells.

Checked against pandas, the standard library, and values written by hand.
"""

import datetime
import logging
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from diabolo import Autoencoder, load
from diabolo.data import frames
from diabolo.data.frames import Cells, form_config, forms, texts
from diabolo.errors import DataError, OptionError

FAST = {"epochs": 1, "verbose": False, "random_state": 0}


def values_of(cells, **how):
    """The numbers of texts, and what was found."""
    array = pa.array(cells, pa.string())
    found = texts.find(array, "x", Cells(**how))
    return found, None if found.form is None else found.form.read(array)


NUMBERS = {
    "thousands": (["12,928", "1,250", "87,831", "950"], [12928, 1250, 87831, 950]),
    "thousands and decimals": (["1,234.5", "-12.25", "3"], [1234.5, -12.25, 3]),
    "points between thousands": (["1.234.567", "12.000"], [1234567, 12000]),
    "decimal commas": (["1,5", "2,75", "-3"], [1.5, 2.75, -3]),
    "decimal commas after points": (["1.234,50", "12,25"], [1234.5, 12.25]),
    "blanks between thousands": (["1 234,5", "2 000,0"], [1234.5, 2000]),
    "apostrophes": (["1'234", "12'345'678"], [1234, 12345678]),
    "percent": (["27.52%", "3.10%", "100.00%"], [27.52, 3.1, 100]),
    "a currency": (["$1.50", "$2.75", "-$1,300.00"], [1.5, 2.75, -1300]),
    "a currency after": (["1.50 €", "2.75 €"], [1.5, 2.75]),
    "a unit": (["12 kg", "3.5 kg", "7 kg"], [12, 3.5, 7]),
    "a unit without a blank": (["10km", "7km"], [10, 7]),
    "parentheses": (["(1,204)", "300", "(5)"], [-1204, 300, -5]),
    "signs": (["+3.5", "-2.0", "+1.1"], [3.5, -2, 1.1]),
    "the sign for minus": (["\u22125", "3"], [-5, 3]),
    "marks": (["1.5", "-", "Unknown", "2", "?"], [1.5, np.nan, np.nan, 2, np.nan]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_read_as_people_write_them_and_written_back_as_they_came(name):
    cells, expected = NUMBERS[name]
    found, values = values_of(cells)
    assert found.form.kind == "number"
    np.testing.assert_array_equal(values, expected)
    written = found.form.write(values)
    assert [each.replace("-", "\u2212") if "\u2212" in cells[0] and each else each for each in written] == [
        None if np.isnan(value) else cell for cell, value in zip(cells, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("cells", "form", "theirs"),
    [
        (["1/19/2023", "12/3/2022", "2/2/2023"], "%-m/%-d/%Y", {"format": "%m/%d/%Y"}),
        (["19/01/2023", "03/12/2022"], "%d/%m/%Y", {"format": "%d/%m/%Y"}),
        (["31.05.2024 14:05", "01.06.2024 08:00"], "%d.%m.%Y %H:%M", {"format": "%d.%m.%Y %H:%M"}),
        (["28-12-2017", "03-01-2018"], "%d-%m-%Y", {"format": "%d-%m-%Y"}),
        (["January-2005", "February-2005"], "%B-%Y", {"format": "%B-%Y"}),
        (["Jan 1 2000", "Feb 12 2001"], "%b %-d %Y", {"format": "%b %d %Y"}),
        (["May 5, 2015 3:45 PM", "Feb 15, 2015 12:01 AM"], "%b %-d, %Y %-I:%M %p", {"format": "%b %d, %Y %I:%M %p"}),
        (["12-Jan-20", "3-Feb-99"], "%-d-%b-%y", {"format": "%d-%b-%y"}),
        (["2023.09.07 22:10", "2023.09.08 01:10"], "%Y.%m.%d %H:%M", {"format": "%Y.%m.%d %H:%M"}),
        (["2020/1/1 0:00", "2020/1/1 0:10"], "%Y/%-m/%-d %-H:%M", {"format": "%Y/%m/%d %H:%M"}),
        (["1949-01", "1949-12"], "%Y-%m", {"format": "%Y-%m"}),
        (["2024-05-31", "2024-06-01"], "%Y-%m-%d", {"format": "%Y-%m-%d"}),
    ],
)
def test_dates_are_the_moments_that_pandas_reads_and_come_back_as_they_were_written(cells, form, theirs):
    found, values = values_of(cells)
    assert found.form.format == form
    moments = pd.to_datetime(pd.Series(cells), **theirs)
    np.testing.assert_array_equal(values, (moments - pd.Timestamp("1970-01-01")).dt.total_seconds())
    assert found.form.write(values) == cells


def test_quarters_begin_in_their_first_month_and_times_of_day_are_seconds():
    _, quarters = values_of(["2020Q1", "2021Q4"])
    expected = [datetime.date(2020, 1, 1), datetime.date(2021, 10, 1)]
    assert [datetime.date(1970, 1, 1) + datetime.timedelta(seconds=each) for each in quarters] == expected
    found, times = values_of(["9:05", "23:59"])
    assert found.form.kind == "number"
    assert times.tolist() == [9 * 3600 + 5 * 60, 23 * 3600 + 59 * 60]


def test_dates_whose_order_of_day_and_month_is_not_certain_are_not_read_and_both_options_are_named():
    cells = ["3/4/2023", "1/2/2023", "7/5/2022"]
    found, _ = values_of(cells, typed=True)
    assert found.form is None
    assert "--dates '%m/%d/%Y' or --dates '%d/%m/%Y'" in found.doubt
    for form in ("%m/%d/%Y", "%d/%m/%Y"):
        _, values = values_of(cells, dates=form)
        moments = pd.to_datetime(pd.Series(cells), format=form)
        np.testing.assert_array_equal(values, (moments - pd.Timestamp("1970-01-01")).dt.total_seconds())


def test_the_order_of_day_and_month_is_inferred_where_only_one_order_sorts_the_rows():
    days = [datetime.date(2023, month, day) for month in (1, 2) for day in (3, 7, 11)]
    found, values = values_of([f"{each:%d/%m/%Y}" for each in days])
    assert found.form.format == "%d/%m/%Y"
    assert "because the rows are then in order" in found.note
    assert values.tolist() == [(each - datetime.date(1970, 1, 1)).days * 86_400 for each in days]


def test_dates_that_are_all_the_first_of_a_month_in_one_order_are_read_in_it():
    cells = [f"01/{month:02d}/{year}" for year in (1957, 1958) for month in range(1, 13)]
    found, values = values_of(cells)
    months = pd.to_datetime(pd.Series(cells), format="%d/%m/%Y")
    np.testing.assert_array_equal(values, (months - pd.Timestamp("1970-01-01")).dt.total_seconds())
    assert "every date is then the first of a month" in found.note


def test_pairs_of_years_codes_and_ranges_are_not_numbers_or_dates():
    for cells in (
        ["2009-10", "2010-11", "2011-12"],
        ["18-24", "25-34"],
        ["01002", "90210"],
        ["A1", "B2"],
        ["1st", "2nd"],
    ):
        found, _ = values_of(cells)
        assert found.form is None
        assert not found.doubt


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            [str(at) for at in range(30)] + ["Indef."],
            "numbers, but also 'Indef.' (--missing Indef. takes it as missing)",
        ),
        (
            [f"{at}.25" for at in range(40)] + ["Team Option", "Player Option"] * 5,
            "numbers, but also 'Team Option' (--missing 'Player Option,Team Option' takes them as missing)",
        ),
        (
            [str(at) for at in range(1, 60)] + ["Refused"] * 9,
            "numbers, but also 'Refused' (--missing Refused takes it as missing)",
        ),
        (
            [str(at) for at in range(1, 60)] + ["62 e"] * 9,
            "numbers, but also '62 e' (--missing '62 e' takes it as missing)",
        ),
        (["1.2M", "300K", "5M"], "numbers with different units ('5M' and '300K')"),
        (["D +1.5", "R +2.0", "D +7.1"], "numbers after letters, such as 'D +1.5'"),
        ([f"2024-01-{at:02d}" for at in range(1, 31)] + ["soon"], "dates, but also 'soon' (--missing soon"),
        (["2024-01-31", "31/01/2024"] * 4, "dates in several forms"),
    ],
)
def test_what_is_nearly_numbers_or_dates_is_no_category_and_the_remedy_is_named(cells, words):
    found, _ = values_of(cells, typed=True)
    assert found.form is None
    assert words in found.doubt


KILOGRAMS, PERCENT = [f"{at}.5 kg" for at in range(60)], [f"{at}.5%" for at in range(60)]
DAYS = pd.date_range("2023-01-01", periods=60)
MILLIONS = [f"{at}.5M" for at in range(60)]
MONTH_FIRST = [f"{1 + at % 12}/{1 + at % 28}/2023" for at in range(60)]
DAY_FIRST = [f"{1 + at:02d}/01/2023" for at in range(28)]


@pytest.mark.parametrize(
    ("cells", "others", "expected"),
    [
        (KILOGRAMS, ["150 lb"], "numbers such as '1.0 kg', got '150 lb' in row 0"),
        ([f"${at}.50" for at in range(60)], ["€5.00"], "numbers such as '$1.00', got '€5.00' in row 0"),
        (PERCENT, ["0.1"], "numbers such as '1.0%', got '0.1' in row 0"),
        (PERCENT, [None, 0.1], "numbers such as '1.0%', got 0.1 in row 1"),
        (MILLIONS, ["20.5M", "500K"], "numbers such as '1.0M', got '500K' in row 1"),
        (MILLIONS, ["20.5M", "20500000"], "numbers such as '1.0M', got '20500000' in row 1"),
        (MILLIONS, [20_500_000.0], "numbers such as '1.0M', got 20500000.0 in row 0"),
        (KILOGRAMS, ["1kg2"], "numbers such as '1.0 kg', got '1kg2' in row 0"),
        ([at / 2 for at in range(60)], ["9%"], "a number, got '9%' in row 0"),
        ([at / 2 for at in range(60)], ["12,928"], "a number, got '12,928' in row 0"),
        (DAYS, DAY_FIRST[:12], "a date such as 2024-05-31, got '01/01/2023' in row 0"),
        (MONTH_FIRST, DAY_FIRST, "dates such as '11/14/2023', got '13/01/2023' in row 12"),
        ([at / 2 for at in range(60)], ["5 lb"], "a number, got '5 lb' in row 0"),
        (MONTH_FIRST, ["5/6/2023", "13/6/2023"], "dates such as '11/14/2023', got '13/6/2023' in row 1"),
    ],
)
def test_another_unit_or_order_of_day_and_month_than_in_fit_is_refused(cells, others, expected):
    schema = frames.learn(pd.DataFrame({"a": cells}), where="t")
    with pytest.raises(DataError, match=re.escape(expected)):
        frames.read(pd.DataFrame({"a": others}), schema, where="t")


@pytest.mark.parametrize(
    ("cells", "others", "values"),
    [
        (KILOGRAMS, ["150", "7.5 kg", "unknown"], [150, 7.5, np.nan]),
        (KILOGRAMS, [150.0], [150]),
        (PERCENT, ["unknown", "unknown"], [np.nan, np.nan]),
        (PERCENT, ["12 %", "n.a."], [12, np.nan]),
        (MONTH_FIRST, ["2023-05-31"], [1685491200]),
    ],
)
def test_other_ways_to_write_the_same_are_taken(cells, others, values):
    schema = frames.learn(pd.DataFrame({"a": cells}), where="t")
    rows = frames.read(pd.DataFrame({"a": others}), schema, where="t").rows
    np.testing.assert_array_equal(rows[:, 0], values)


def seconds(*dates):
    """The seconds of dates since 1970."""
    return [(datetime.date(*each) - datetime.date(1970, 1, 1)).days * 86_400 for each in dates]


def test_births_with_two_digits_for_the_year_are_not_in_the_future():
    births = ["7/1/62", "12/31/69", "1/15/99", "6/30/05", "3/4/48"]
    found, values = values_of(births)
    assert values.tolist() == seconds((1962, 7, 1), (1969, 12, 31), (1999, 1, 15), (2005, 6, 30), (1948, 3, 4))
    assert "years of two digits are read as 1948 to 2005" in found.note
    assert found.form.write(values) == births
    assert form_config.from_config(form_config.to_config(found.form)) == found.form
    _, declared = values_of(births, dates="%m/%d/%y")
    assert declared.tolist() == values.tolist()


def test_dates_to_come_with_two_digits_for_the_year_stay_in_the_future_and_that_is_said():
    found, values = values_of(["7/15/24", "8/31/28", "1/15/63"])
    assert values.tolist() == seconds((2024, 7, 15), (2028, 8, 31), (2063, 1, 15))
    assert "years of two digits are read as 2024 to 2063 ('1/15/63' is in 2063)" in found.note
    past, _ = values_of(["7/15/04", "8/31/08", "1/15/99"])
    assert past.note == ""


def test_a_model_reads_years_of_two_digits_as_in_fit_whatever_rows_are_given():
    frame = pd.DataFrame({"born": [f"{1 + at % 12}/{13 + at % 15}/{(45 + at) % 100:02d}" for at in range(60)]})
    schema = frames.learn(frame, where="t")
    rows = frames.read(pd.DataFrame({"born": ["7/15/62"]}), schema, where="t").rows
    assert rows[:, 0].tolist() == seconds((1962, 7, 15))
    assert form_config.to_config(forms.DateForm(format="%d/%m/%y")) == {
        "form": "date",
        "format": "%d/%m/%y",
        "upper": False,
    }


@pytest.mark.parametrize(
    ("cells", "form", "dates"),
    [
        (["03.2021", "12.2020", "01.2021"], "%m.%Y", [(2021, 3, 1), (2020, 12, 1), (2021, 1, 1)]),
        (["2000q1", "2001q4"], "%Yq%q", [(2000, 1, 1), (2001, 10, 1)]),
        (["2000M01", "2001M12"], "%YM%m", [(2000, 1, 1), (2001, 12, 1)]),
        (["2020-W01", "2020-W53", "2021-W01"], "%G-W%V", [(2019, 12, 30), (2020, 12, 28), (2021, 1, 4)]),
    ],
)
def test_months_quarters_and_weeks_are_their_first_day(cells, form, dates):
    found, values = values_of(cells)
    assert found.form.format == form
    assert values.tolist() == seconds(*dates)
    assert found.form.write(values) == cells


def test_what_is_like_a_month_and_a_year_is_a_number_and_a_week_that_does_not_exist_is_no_date():
    for cells in (["10.2021", "11.1950"], ["03.2021", "13.2021"], ["3.2021", "4.1999"]):
        found, values = values_of(cells)
        assert found.form.kind == "number"
        assert values.tolist() == [float(each) for each in cells]
    assert np.isnan(forms.DateForm(format="%G-W%V").read(pa.array(["2021-W53"]))).all()


def test_points_that_all_stand_before_three_digits_are_decimal_points_and_the_other_reading_is_named():
    cells = ["21.967", "1.677", "99.546", "3.200", "12.001", "950"]
    found, values = values_of(cells, typed=True)
    assert values.tolist() == [21.967, 1.677, 99.546, 3.2, 12.001, 950]
    assert "the point in 21.967 is read as a decimal point: add --thousands ." in found.note
    other, values = values_of(cells, thousands=".")
    assert values.tolist() == [21967, 1677, 99546, 3200, 12001, 950]
    assert other.note == ""
    assert values_of([*cells, "0.125"])[0].note == ""


@pytest.mark.parametrize(("true", "false"), [("TRUE", "FALSE"), ("True", "False"), ("true", "false")])
def test_booleans_of_files_are_written_back_as_they_came(true, false, tmp_path):
    cells = [true, false, "", true] * 20
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(f"{at},{cell},{true}\n" for at, cell in enumerate(cells)))
    model = Autoencoder(1, epochs=1, random_state=0, verbose=False).fit(tmp_path / "t.csv")
    back = pa.table(model.reconstruct(tmp_path / "t.csv", fill="missing"))
    found = [str(each).lower() if true == "true" else each for each in back["b"].to_pylist()]
    assert set(found) == {true, false}
    assert [now for now, cell in zip(found, cells, strict=True) if cell] == [cell for cell in cells if cell]


def test_one_word_of_two_is_the_level_of_a_category():
    assert values_of(["TRUE", None, "TRUE"])[0].form is None


@pytest.mark.parametrize(
    ("true", "false"),
    [("WAHR", "FALSCH"), ("Vrai", "Faux"), ("Yes", "No"), ("y", "n"), ("TRUE", "FALSE"), ("on", "off"), ("T", "F")],
)
def test_booleans_may_have_any_common_spelling(true, false):
    found, values = values_of([true, false, None, true])
    assert found.form.kind == "boolean"
    np.testing.assert_array_equal(values, [1, 0, np.nan, 1])
    assert found.form.write(np.array([0.1, 0.9, np.nan])) == [false, true, None]


def test_every_form_is_the_same_after_it_was_json():
    for form in (
        forms.NumberForm(thousands=",", prefix="$", places=2, fixed=True),
        forms.DateForm(format="%-d %B %Y", upper=True),
        forms.BooleanForm(true="Yes", false="No"),
        None,
    ):
        assert form_config.from_config(form_config.to_config(form)) == form


@pytest.mark.parametrize(
    "config",
    [
        {"form": "pickle"},
        {"form": "date", "format": "%Y-%m-%d"},
        {"form": "date", "format": "%Q", "upper": False},
        {"form": "date", "format": "%d", "upper": False},
        {"form": "date", "format": "%Y %Y", "upper": False},
        {"form": "boolean", "true": "x", "false": "X"},
        form_config.to_config(forms.NumberForm()) | {"decimal": ";"},
        form_config.to_config(forms.NumberForm()) | {"thousands": "."},
        form_config.to_config(forms.NumberForm()) | {"prefix": "1"},
        form_config.to_config(forms.NumberForm()) | {"places": 10**9},
        form_config.to_config(forms.NumberForm()) | {"places": True},
    ],
)
def test_a_form_from_a_file_that_contradicts_itself_is_refused(config):
    with pytest.raises(OptionError):
        form_config.from_config(config)


def table(rows=200):
    """A table as people have them, with columns of which nothing can be learnt."""
    rng = np.random.default_rng(0)
    days = pd.to_datetime("2023-01-01") + pd.to_timedelta(rng.integers(0, 365, rows), unit="D")
    return pd.DataFrame(
        {
            "customer_id": np.arange(rows) * 7 % 1009 + 5000,
            "name": [f"person {at}" for at in range(rows)],
            "amount": [f"{each:,}" for each in rng.integers(500, 99_999, rows)],
            "day": [f"{each.month}/{each.day}/{each.year}" for each in days],
            "member": np.array(["Yes", "No"])[rng.integers(0, 2, rows)],
            "rate": [f"{each:.1f}%" if at % 10 else "-" for at, each in enumerate(rng.uniform(0, 100, rows))],
            "weight": rng.normal(70, 10, rows).round(1),
            "country": "CH",
        }
    )


LEFT_OUT = ["customer_id", "name", "country"]


def test_a_table_is_learnt_from_what_can_be_learnt_and_the_rest_is_named_in_one_line(caplog):
    frame = table()
    with caplog.at_level(logging.WARNING):
        net = Autoencoder(2, **FAST).fit(frame)
    kinds = {each.name: each.kind for each in net.model_.schema.columns}
    assert kinds == {"amount": "number", "day": "date", "member": "boolean", "rate": "number", "weight": "number"}
    assert [each.name for each in net.model_.schema.left_out] == LEFT_OUT
    line = next(each for each in caplog.messages if "left out" in each)
    assert "\n" not in line
    assert "'customer_id' (identifiers, 200 different whole numbers)" in line
    assert "'name' (text with 200 different values in 200 rows)" in line
    assert "'country' (one value, 'CH', in every row)" in line
    assert "strict=True refuses them" in line
    assert "--" not in line
    with pytest.raises(DataError, match=r"nothing can be learnt from 3 of its columns.*X\.drop"):
        Autoencoder(2, strict=True, **FAST).fit(frame)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_boolean_that_is_true_wherever_it_is_known_is_never_decoded_as_false(library, tmp_path):
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[library]
    frame = make({"seen": [True, None] * 100, "size": [float(at % 7) for at in range(200)]})
    net = Autoencoder(1, **FAST).fit(frame)
    (seen, _) = net.model_.schema.columns
    assert (seen.kind, seen.levels) == ("boolean", (True,))
    back = load(net.save(tmp_path / "m")).decode(net.encode(frame))
    cells = back["seen"].to_pylist() if library == "pyarrow" else back["seen"].to_list()
    assert cells == [True] * 200
    assert Autoencoder(1, types={"seen": "boolean"}, **FAST).fit(frame).model_.schema.columns[0].kind == "boolean"


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_that_are_left_out_pass_through_unchanged(library, tmp_path):
    frame = {"pandas": lambda f: f, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}[library](table())
    if library == "pandas":
        frame.index = pd.Index(range(100, 300), name="at")
    as_pandas = (lambda f: f) if library == "pandas" else (lambda f: f.to_pandas())
    net = Autoencoder(2, **FAST).fit(frame)
    net = load(net.save(tmp_path / "m"))
    given = as_pandas(frame)
    latents = net.encode(frame)
    assert list(as_pandas(latents).columns) == [*LEFT_OUT, "latent_0", "latent_1"]
    for made in (net.decode(latents), net.reconstruct(frame), net.reconstruct(frame, fill="missing")):
        back = as_pandas(made)
        assert list(back.columns) == list(given.columns)
        for name in LEFT_OUT:
            assert back[name].tolist() == given[name].tolist()
        if library == "pandas":
            assert back.index.equals(frame.index)
    filled = as_pandas(net.reconstruct(frame, fill="missing"))
    there = given["rate"] != "-"
    for name in given:
        assert filled[name][there].tolist() == given[name][there].tolist()
    assert filled["rate"][~there].str.fullmatch(r"-?[\d.]+%").all()
    fewer = frame.drop(columns="name") if library == "pandas" else frame.drop("name") if library == "polars" else None
    if fewer is not None:
        assert "name" not in net.reconstruct(fewer).columns


def test_the_same_table_means_the_same_as_a_file_and_as_a_frame(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    file, frame = tmp_path / "t.csv", pd.read_csv(tmp_path / "t.csv")
    of_file, of_frame = Autoencoder(2, **FAST).fit(file), Autoencoder(2, **FAST).fit(frame)
    assert [(each.name, each.kind) for each in of_file.model_.schema.columns] == [
        (each.name, each.kind) for each in of_frame.model_.schema.columns
    ]
    latents = of_file.encode(file)
    numbers = lambda made: made[["latent_0", "latent_1"]].to_numpy()  # noqa: E731
    np.testing.assert_allclose(numbers(of_file.encode(frame)), latents, atol=1e-6)
    np.testing.assert_allclose(of_frame.encode(file), latents, atol=1e-6)
    parsed = frame.assign(day=pd.to_datetime(frame["day"], format="%m/%d/%Y"))
    np.testing.assert_allclose(numbers(of_file.encode(parsed)), latents, atol=1e-6)
    assert str(of_file.reconstruct(parsed, fill="missing")["day"].dtype).startswith("datetime64")


def test_the_command_line_copies_what_was_left_out_next_to_latents_rows_and_scores(cli, tmp_path):
    table().to_csv(tmp_path / "t.csv")
    done = cli("fit", "t.csv", "--latent", "2", "--epochs", "1", "-o", "m")
    assert done.code == 0, done.err
    line = next(each for each in done.err.splitlines() if "left out" in each)
    assert "'' (row index)" in line
    assert "--types name=category" in line
    assert "--strict refuses them" in line
    given = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    kept = [given.columns[0], *LEFT_OUT]
    for arguments, output, columns in [
        (("encode", "m.safetensors", "t.csv"), "t-latents.csv", [*kept, "latent_0", "latent_1"]),
        (("score", "m.safetensors", "t.csv"), "t-scores.csv", [*kept, "score"]),
        (("decode", "m.safetensors", "t-latents.csv"), "t-latents-decoded.csv", list(given.columns)),
        (("reconstruct", "m.safetensors", "t.csv", "--fill"), "t-filled.csv", list(given.columns)),
    ]:
        assert cli(*arguments).code == 0
        made = pd.read_csv(tmp_path / output, dtype=str, keep_default_na=False)
        assert list(made.columns) == columns
        for name in kept:
            assert made[name].tolist() == given[name].tolist()
    assert cli("encode", "m.safetensors", "t.csv", "-o", "z.npy").code == 0
    assert np.load(tmp_path / "z.npy").shape == (200, 2)


def test_a_refusal_names_all_columns_and_a_command_that_works(cli, tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    done = cli("fit", "t.csv", "--strict", "--latent", "2", "--epochs", "1")
    assert done.code == 2
    assert "leave them out (--drop customer_id,name,country), or write the command without --strict" in done.err
    done = cli(*["fit", "t.csv", "--strict", "--latent", "2", "--epochs", "1", "--drop", "customer_id,name,country"])
    assert done.code == 0, done.err
    assert "left out" not in done.err


def test_options_that_say_how_cells_are_read_are_refused_where_they_do_not_apply(cli, tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5, -999] * 20, "b": ["x", "y", "none given"] * 20, "c": range(60)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for more, words in [
        (("--dates", "%d/%m/%Y"), "no column holds dates as --dates"),
        (("--dates", "%d"), "expected the format of a date or time"),
        (("--missing", "nothing"), "no cell that is learnt from is 'nothing'"),
        (("--decimal", ";"), "--decimal expected . or ,"),
        (("--thousands", "x"), "--thousands expected a mark"),
    ]:
        done = cli("schema", "t.csv", *more)
        assert done.code == 2
        assert words in done.err
    shown = cli("schema", "t.csv", "--missing", "-999,none given", "--json").out
    import json

    missing = {each["name"]: each["missing"] for each in json.loads(shown)["columns"]}
    assert missing == {"a": 20, "b": 20, "c": 0}


def test_a_cell_in_another_form_is_named_with_its_row(tmp_path):
    net = Autoencoder(2, **FAST).fit(table())
    bad = table()
    bad.loc[17, "amount"] = "many"
    with pytest.raises(DataError, match=r"'amount' expected numbers such as .*, got 'many' in row 17: correct it"):
        net.encode(bad)
    bad = table()
    bad.loc[3, "day"] = "31/31/2023"
    with pytest.raises(DataError, match=r"column 'day' expected dates such as .*, got '31/31/2023' in row 3"):
        net.encode(bad)


def test_declared_kinds_say_how_texts_are_read():
    frame = pd.DataFrame({"day": ["1/2/2023", "3/4/2023", "5/6/2022"] * 5, "x": ["1,500", "2,250", "3,125"] * 5})
    schema = frames.learn(frame, where="t", types={"day": "date:%d/%m/%Y", "x": "number:,"})
    rows = frames.read(frame, schema, where="t").rows
    moments = pd.to_datetime(frame["day"], format="%d/%m/%Y")
    np.testing.assert_array_equal(rows[:, 0], (moments - pd.Timestamp("1970-01-01")).dt.total_seconds())
    np.testing.assert_array_equal(rows[:3, 1], [1.5, 2.25, 3.125])
    for types, words in [
        ({"day": "date:%Y"}, "cannot be of kind 'date:%Y'"),
        ({"day": "date:%Z"}, "%Z is not a field of a date"),
        ({"x": "number:;"}, "may have a decimal mark"),
        ({"x": "boolean:yes"}, "has no settings"),
    ]:
        with pytest.raises(OptionError, match=words):
            frames.learn(frame, where="t", types=types)


def test_a_table_of_numbers_alone_keeps_columns_of_one_value_but_not_its_index():
    rng = np.random.default_rng(0)
    pixels = pd.DataFrame(rng.random((50, 4)), columns=["p0", "p1", "p2", "p3"]).assign(p0=0.0)
    pixels.insert(0, "Unnamed: 0", range(50))
    schema = frames.learn(pixels, where="t")
    assert schema.names == ("p0", "p1", "p2", "p3")
    assert [each.reason for each in schema.left_out] == ["row index"]


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        ("id", range(50), True),
        ("PassengerId", range(1, 51), True),
        ("user_id", [at * 37 % 1009 for at in range(50)], True),
        ("user_id", [at % 10 for at in range(50)], False),  # who a row belongs to, several rows each
        ("year", range(1950, 2000), False),
        ("humid", range(50), False),
        ("row", range(50), True),
        ("index", [at * 37 % 1009 for at in range(50)], False),  # an index of prices
    ],
)
def test_identifiers_are_whole_numbers_under_a_name_that_says_so(name, values, left_out):
    frame = pd.DataFrame({name: list(values), "x": np.random.default_rng(0).normal(size=50), "k": ["a", "b"] * 25})
    schema = frames.learn(frame, where="t")
    assert (name in schema.spare) == left_out
