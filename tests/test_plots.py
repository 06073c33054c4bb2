"""Plots as figures of Matplotlib, and the cards of notebooks: what is drawn is compared with NumPy and scikit-learn."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA

from diabolo import AnomalyDetector, Autoencoder, load, windows
from diabolo.cli.latent_map import Evenly
from diabolo.data.opening import open_rows
from diabolo.data.splits import hold_back_sparse, hold_back_test
from diabolo.errors import DataError, NotFittedError, OptionError, OutputError, ShapeError
from diabolo.report import pictures
from diabolo.report.pictures import canvas

QUICK = {"structure": [8], "epochs": 4, "random_state": 0, "verbose": False}


@pytest.fixture(scope="module")
def people():
    """Rows of a table with columns of each kind."""
    rng = np.random.default_rng(0)
    age, city = rng.integers(18, 90, 300), rng.choice(["Oslo", "Paris", "Rome"], 300, p=[0.6, 0.3, 0.1])
    return pd.DataFrame(
        {
            "city": city,
            "age": age,
            "income": 1_000.0 + 40 * age + rng.normal(0, 300, 300),
            "smoker": rng.random(300) < np.where(age > 50, 0.9, 0.1),
            "since": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3_000, 300), "D"),
        }
    )


@pytest.fixture(scope="module")
def of_people(people):
    return Autoencoder(2, **QUICK | {"epochs": 20}).fit(people, evaluate=False)


@pytest.fixture(scope="module")
def cut():
    """Windows of a long table of two machines, with the channels pressure and volume."""
    times = np.arange(240)
    one = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=240, freq="h"), "pressure": np.sin(times / 5)})
    one["volume"] = 20 + 5 * np.cos(times / 5)
    table = pd.concat([one.assign(who="A"), one.assign(who="B", pressure=-one.pressure)])
    return windows(table, time="when", entity="who", window=12)


@pytest.fixture(scope="module")
def of_windows(cut):
    return Autoencoder(2, **QUICK).fit(cut, evaluate=False)


@pytest.fixture(scope="module")
def small(table):
    """Models of the same rows with one, two and three latents."""
    return {size: Autoencoder(size, **QUICK).fit(table, evaluate=False) for size in (1, 2, 3)}


def texts(figure):
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


def rowwise(error):
    return np.square(error).reshape(len(error), -1).mean(axis=1)


# Reconstructions.


def test_eight_typical_images_and_the_four_worst_are_drawn_above_their_reconstructions(fitted, digits):
    rows = digits.x_test[:200]
    figure = fitted.plot_reconstructions(rows)
    assert len(figure.axes) == 2 * 12
    errors = rowwise((rows - fitted.reconstruct(rows).astype(float)) / 255)
    below = [axes.get_xlabel().split("\n") for axes in figure.axes if axes.get_xlabel()]
    numbers = [int(number) for number, _ in below]
    assert numbers[8:] == np.argsort(-errors)[:4].tolist()
    assert (np.diff(errors[numbers[:8]]) > 0).all()
    np.testing.assert_allclose([float(error) for _, error in below], errors[numbers], atol=1e-3)
    for number, original, restored in zip(numbers, figure.axes[::2], figure.axes[1::2], strict=True):
        np.testing.assert_allclose(original.images[0].get_array(), rows[number] / 255)
        np.testing.assert_allclose(restored.images[0].get_array(), fitted.reconstruct(rows[[number]])[0] / 255)
    assert [axes.get_title("left") for axes in figure.axes if axes.get_title("left")] == ["typical rows", "worst rows"]


def test_rows_that_are_asked_for_are_drawn_in_their_order(fitted, digits):
    chosen = [7, 3, 150, *range(20)]
    figure = fitted.plot_reconstructions(digits.x_test[:200], rows=chosen)
    assert [int(axes.get_xlabel().split("\n")[0]) for axes in figure.axes if axes.get_xlabel()] == chosen
    assert len(fitted.plot_reconstructions(digits.x_test[:200], rows=np.int64(5)).axes) == 2
    for count, axes in ((1, 2), (3, 6), (7, 14)):
        assert len(fitted.plot_reconstructions(digits.x_test[:200], count=count).axes) == axes


def test_a_table_is_drawn_as_cells_and_what_differs_is_shaded(of_people, people):
    figure = of_people.plot_reconstructions(people, rows=[3, 11])
    found, restored = texts(figure), of_people.reconstruct(people)
    for row in (3, 11):
        for cell in (people.city[row], str(people.age[row]), f"{people.income[row]:.5g}", str(people.smoker[row])):
            assert cell in found
        assert str(people.since[row])[:10] in found
        assert str(restored.since[row])[:10] in found
        assert f"{restored.income[row]:.5g}" in found
    assert next(each for each in found if each.startswith("row ")).startswith("row 3, error ")
    differs = (people.iloc[[3, 11]] != restored.iloc[[3, 11]]).to_numpy().sum()
    [axes] = figure.axes
    assert len([each for each in axes.patches if isinstance(each, Rectangle)]) == differs
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 25)), columns=[f"column_{at}" for at in range(25)])
    figure = Autoencoder(2, **QUICK).fit(wide, evaluate=False).plot_reconstructions(wide, count=2)
    assert any("of 25 columns those that differ most" in each for each in texts(figure))
    assert figure.get_figwidth() < 13


def test_a_gap_and_a_level_that_fit_never_saw_are_drawn_as_such(people):
    gaps = people.assign(income=people.income.where(people.age < 80))
    model = Autoencoder(2, **QUICK).fit(gaps, evaluate=False)
    changed = gaps.assign(city=["Lima", *gaps.city[1:]])
    found = texts(model.plot_reconstructions(changed, rows=[0, int(gaps.income.isna().argmax())]))
    assert "another" in found
    assert "\N{EN DASH}" in found


def test_series_have_a_panel_for_each_channel_with_its_name_and_the_number_of_the_row(of_windows, cut):
    figure = of_windows.plot_reconstructions(cut, rows=[4, 30])
    assert [axes.get_title() for axes in figure.axes] == ["pressure", "volume", "", ""]
    restored = of_windows.reconstruct(cut)
    for at, row in enumerate((4, 30)):
        for channel in range(2):
            lines = {line.get_label(): line.get_ydata() for line in figure.axes[2 * at + channel].lines}
            np.testing.assert_allclose(lines["original"], cut.rows[row, :, channel])
            np.testing.assert_allclose(lines["reconstruction"], restored[row, :, channel], rtol=1e-5)
        who, when = cut.where[row]
        assert f"row {row}, window {who}, {when}" in figure.axes[2 * at].texts[0].get_text()
    plain = of_windows.plot_reconstructions(cut.rows, rows=[4])
    assert plain.axes[0].texts[0].get_text().startswith("row 4, error ")


def test_a_file_of_windows_keeps_their_names_in_plots(of_windows, cut, cli, tmp_path):
    from diabolo.data.long_table import files

    files.write(tmp_path / "w.npz", cut, force=False)
    figure = of_windows.plot_reconstructions(str(tmp_path / "w.npz"), rows=[4])
    assert "window A" in figure.axes[0].texts[0].get_text()


def test_other_rows_are_lines_in_the_units_of_the_network(small, table):
    figure = small[3].plot_reconstructions(table, rows=[5])
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    training = small[3].model_.adapter
    np.testing.assert_allclose(lines["original"], (table[5] - training.offset) / training.scale, rtol=1e-4, atol=1e-5)
    assert len(small[3].plot_reconstructions(table).axes) == 12


def test_rows_of_a_sparse_matrix_are_drawn_like_dense_ones(rng):
    dense = np.where(rng.random((200, 30)) < 0.2, rng.random((200, 30)), 0).astype(np.float32)
    model = Autoencoder(2, **QUICK).fit(scipy.sparse.csr_matrix(dense), evaluate=False)
    for choice in ({"count": 6}, {"rows": [3, 150]}):
        both = [model.plot_reconstructions(rows, **choice) for rows in (scipy.sparse.csr_matrix(dense), dense)]
        assert [axes.get_title("left") for axes in both[0].axes] == [axes.get_title("left") for axes in both[1].axes]
        for ours, theirs in zip(*(figure.axes for figure in both), strict=True):
            np.testing.assert_array_equal(ours.lines[0].get_ydata(), theirs.lines[0].get_ydata())


# The numbers of rows in the pictures of the command line.


@pytest.mark.parametrize("fraction", [0, 0.2])
def test_rows_that_are_held_back_keep_their_numbers_in_the_data(fraction, tmp_path, rng):
    rows = rng.random((3_000, 40)).astype(np.float32)
    rows[:, 0] = np.arange(3_000)
    np.save(tmp_path / "rows.npy", rows)
    for source, limit in ((rows, 10**9), (str(tmp_path / "rows.npy"), 1_200_000)):
        found = hold_back_test(open_rows(source, limit), fraction, 0, limit=limit)
        np.testing.assert_array_equal((found.sample if found.test is None else found.test)[:, 0], found.numbers)
    found = hold_back_sparse(scipy.sparse.csr_matrix(rows), fraction, 0, limit=10**7)
    np.testing.assert_array_equal((found.sample if found.test is None else found.test)[:, 0], found.numbers)


def test_the_test_part_of_a_data_set_is_numbered_behind_its_training_part_as_in_encode():
    found = hold_back_test(open_rows("digits", 10**9), 0.1, 0, limit=10**9)
    np.testing.assert_array_equal(found.numbers, 9_000 + np.arange(1_000))


def test_fit_draws_rows_under_their_numbers_in_the_data(cli, tmp_path, rng, monkeypatch):
    rows = rng.normal(size=(200, 5))
    np.save(tmp_path / "rows.npy", rows)
    seen, draw = [], pictures.reconstructions

    def watched(model, held, *others, **more):
        figure = draw(model, held, *others, **more)
        seen.append((held, figure))
        return figure

    monkeypatch.setattr(pictures, "reconstructions", watched)
    done = cli("fit", "rows.npy", "--latent", "2", "--epochs", "2", "--structure", "dense 4", "--pictures")
    assert done.code == 0, done.err
    [(held, figure)] = seen
    assert len(held) == 20
    model = load(tmp_path / "rows.safetensors").model_
    for axes in figure.axes:
        number = int(re.search(r"row (\d+), error", axes.get_title("left"))[1])
        expected = model.adapter.adapt(rows[[number]])[0]
        np.testing.assert_allclose(axes.lines[0].get_ydata(), expected, rtol=1e-5)
    # The worst of all is among them.
    worst = held[rowwise(held - model.reconstruct(held)).argmax()]
    drawn = [int(re.search(r"row (\d+)", axes.get_title("left"))[1]) for axes in figure.axes]
    assert (rows[drawn] == worst).all(axis=1).any()


# History.


def test_the_curve_has_each_epoch_and_marks_the_best(fitted):
    [axes] = fitted.plot_history().axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["training rows"].get_ydata(), fitted.history_["loss"])
    np.testing.assert_array_equal(lines["validation rows"].get_ydata(), fitted.history_["val_loss"])
    best = fitted.best_epoch_
    assert axes.texts[0].get_text() == f"epoch {best}: {fitted.history_['val_loss'][best - 1]:.4g}"


# Latents.


def offsets(figure):
    [points] = figure.axes[0].collections
    return np.asarray(points.get_offsets())


def in_order(places):
    return places[np.lexsort(places.T)]


def test_two_latents_are_their_plane(small, table):
    figure = small[2].plot_latents(table)
    axes = figure.axes[0]
    np.testing.assert_allclose(in_order(offsets(figure)), in_order(small[2].encode(table).astype(float)))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent 0", "latent 1")
    assert axes.get_title("left") == "600 rows"


def test_one_latent_is_a_histogram(small, table):
    figure = small[1].plot_latents(table)
    bars = figure.axes[0].patches
    edges = [*(bar.get_x() for bar in bars), bars[-1].get_x() + bars[-1].get_width()]
    counts, _ = np.histogram(small[1].encode(table)[:, 0].astype(float), edges)
    assert [bar.get_height() for bar in bars] == counts.tolist()
    assert counts.sum() == 600
    several = small[1].plot_latents(table, color=["left", "right"] * 300)
    assert sum(bar.get_width() > 0 for bar in several.axes[0].patches) == 2 * len(bars)
    by_number = small[1].plot_latents(table, color=table[:, 0])
    assert by_number.axes[1].get_ylabel() == "mean of color"


def test_more_latents_are_their_first_two_principal_components(small, table):
    figure = small[3].plot_latents(table)
    latents = small[3].encode(table).astype(float)
    pca = PCA(2).fit(latents)
    expected, found = pca.transform(latents), offsets(figure)
    signs = np.sign([np.abs(found[:, at]).max() * found[np.abs(found[:, at]).argmax(), at] for at in (0, 1)])
    own = np.sign([expected[np.abs(expected[:, at]).argmax(), at] for at in (0, 1)])
    np.testing.assert_allclose(in_order(found * signs), in_order(expected * own), atol=1e-6)
    names = figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    assert names == tuple(
        f"principal component {at + 1}: {share:.0%} of the variance"
        for at, share in enumerate(pca.explained_variance_ratio_)
    )


def legend(figure):
    [found] = figure.legends
    both = zip(found.texts, found.legend_handles, strict=True)
    return {label.get_text(): to_hex(handle.get_color()) for label, handle in both}


def test_categories_get_a_legend_and_their_colours(of_people, people):
    for frame in (people, pl.from_pandas(people)):
        figure = of_people.plot_latents(frame, color="city")
        named, counts = legend(figure), people.city.value_counts()
        assert list(named) == [f"{city} ({counts[city]})" for city in ("Oslo", "Paris", "Rome")]
        assert figure.legends[0].get_title().get_text() == "city"
        colours = [to_hex(each) for each in figure.axes[0].collections[0].get_facecolors()]
        for name, colour in named.items():
            places = offsets(figure)[[each == colour for each in colours]]
            own = of_people.model_.encode(_numbers(of_people, people))
            expected = own[(people.city == name.split()[0]).to_numpy()].astype(float)
            np.testing.assert_allclose(in_order(places), in_order(expected), rtol=1e-6)


def _numbers(model, frame):
    from diabolo.data import frames

    return frames.read(frame, model.model_.schema, where="test").rows


def test_a_legend_has_ten_names_at_most_and_others_together(small, table):
    rng = np.random.default_rng(0)
    values = [f"level {at}" for at in np.minimum(rng.geometric(0.15, 600), 30)]
    values[5] = None
    names = list(legend(small[2].plot_latents(table, color=values)))
    counts = pd.Series(values).value_counts()
    assert len(names) == 12
    assert {name.rpartition(" (")[0] for name in names[:10]} == set(counts.index[:10])
    assert names[10] == f"others, {len(counts) - 10} levels ({counts.iloc[10:].sum()})"
    assert names[11] == "no value (1)"


def test_few_whole_numbers_are_categories_in_their_order_and_labels_of_data_sets_are_known(fitted, digits):
    named = legend(fitted.plot_latents("digits:test"))
    assert list(named) == [f"{digit} ({count})" for digit, count in enumerate(np.bincount(digits.y_test))]
    assert named == legend(fitted.plot_latents(digits.x_test, color=digits.y_test))
    assert list(named.values()) == [each.lower() for each in canvas.CATEGORICAL]


def test_numbers_and_times_get_a_colour_bar(of_people, people):
    figure = of_people.plot_latents(people, color="income")
    axes, bar = figure.axes
    assert bar.get_ylabel() == "income"
    assert bar.get_ylim() == (people.income.min(), people.income.max())
    latents = of_people.model_.encode(_numbers(of_people, people)).astype(float)
    for row, colour in ((people.income.argmin(), "#503894"), (people.income.argmax(), "#ecd942")):
        place = np.abs(offsets(figure) - latents[row]).sum(axis=1).argmin()
        assert to_hex(axes.collections[0].get_facecolors()[place]) == colour
    bar = of_people.plot_latents(people, color=people.since).axes[1]
    days = (people.since - pd.Timestamp(0)) / pd.Timedelta("1D")
    assert bar.get_ylim() == pytest.approx((days.min(), days.max()))
    figure.canvas.draw()
    far = people.income.where(people.index != 0, 1e9).where(people.index != 1)
    bar = of_people.plot_latents(people, color=far).axes[1]
    assert bar.get_ylim()[1] < 10_000  # one far number does not hide the others


def test_numbers_that_are_written_as_texts_are_numbers_in_a_map(people, tmp_path):
    frame = people[["age", "city"]].assign(price=[f"{income:,.2f} €" for income in people.income])
    frame.to_csv(tmp_path / "people.csv", index=False)
    model = Autoencoder(2, **QUICK).fit(str(tmp_path / "people.csv"), evaluate=False)
    for source in (frame, tmp_path / "people.csv"):
        bar = model.plot_latents(source, color="price").axes[1]
        assert bar.get_ylim() == pytest.approx((people.income.min(), people.income.max()), abs=0.01)
        assert next(iter(legend(model.plot_latents(source, color="city")))).startswith("Oslo")


def test_a_column_that_fit_never_saw_can_colour_a_map(of_people, people, tmp_path):
    frame = people.assign(group=np.where(people.age > 50, "old", "young"))
    frame.to_csv(tmp_path / "more.csv", index=False)
    for source in (frame, tmp_path / "more.csv"):
        named = legend(of_people.plot_latents(source, color="group"))
        assert [each.split()[0] for each in named] == ["old", "young"]


def test_pictures_in_subfolders_are_coloured_by_them(fitted, digits, tmp_path):
    for at in range(8):
        folder = tmp_path / "photos" / f"of {digits.y_test[at]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.x_test[at]).save(folder / f"{at}.png")
    named = legend(fitted.plot_latents(tmp_path / "photos"))
    assert {each.rpartition(" (")[0] for each in named} == {f"of {digit}" for digit in digits.y_test[:8]}


def test_many_points_are_drawn_in_part_and_the_title_says_so(monkeypatch, small, table):
    monkeypatch.setattr("diabolo.report.pictures.maps.MOST_POINTS", 100)
    figure = small[2].plot_latents(table)
    assert len(offsets(figure)) == 100
    assert figure.axes[0].get_title("left") == "100 of 600 rows"


def test_the_colours_are_those_of_the_page():
    file = Path(__file__).parents[1] / "web" / "src" / "shared" / "colours.ts"
    if not file.exists():
        pytest.skip("needs the sources of the page")
    found = {}
    for name, inside in re.findall(r"const (CATEGORICAL|SEQUENTIAL)[^=]*= \[(.*?)\];", file.read_text(), re.DOTALL):
        parts = re.findall(r"\[(\d+), (\d+), (\d+)\]", inside)
        found[name] = ["#{:02x}{:02x}{:02x}".format(*map(int, each)) for each in parts]
    assert found["CATEGORICAL"] == [each.lower() for each in canvas.CATEGORICAL]
    ends = [to_hex(canvas.SEQUENTIAL(at)) for at in (0.0, 1.0)]
    assert ends == [found["SEQUENTIAL"][0], found["SEQUENTIAL"][-1]]


# Traversals.


def test_images_are_those_of_traverse_and_a_frame_marks_the_row(fitted, digits):
    row, others = digits.x_test[0], digits.x_test[:300]
    figure = fitted.plot_traversal(row, latents=[2, 5], steps=5, X=others)
    assert len(figure.axes) == 10
    latents, own = fitted.encode(others), fitted.encode(row[None])[0]
    for line, latent in zip((figure.axes[:5], figure.axes[5:]), (2, 5), strict=True):
        values = np.linspace(*np.quantile(latents[:, latent].astype(float), [0.01, 0.99]), 5)
        rows = fitted.traverse(row, latent, values=values)
        for axes, expected in zip(line, rows, strict=True):
            np.testing.assert_allclose(axes.images[0].get_array(), expected / 255, atol=1 / 255)
        framed = [axes.spines["left"].get_linewidth() > 1.5 for axes in line]
        assert framed.index(True) == np.abs(values - own[latent]).argmin()
        assert line[0].get_ylabel() == f"latent {latent}"
    assert len(fitted.plot_traversal(row).axes) == 8 * 9


def test_of_many_latents_those_are_drawn_that_change_the_row_most(digits):
    model = Autoencoder(12, bottleneck="gaussian", structure=[16], epochs=1, random_state=0, verbose=False)
    model.fit(digits.x_train[:300], evaluate=False)
    figure = model.plot_traversal(digits.x_test[0])
    row = digits.x_test[0]
    ends = [model.traverse(row, at, values=[-3, 3]).astype(float) for at in range(12)]
    change = [np.abs(high - low).sum() for low, high in ends]
    named = [int(axes.get_ylabel().split()[1]) for axes in figure.axes if axes.get_ylabel()]
    assert named == sorted(np.argsort(change)[-8:].tolist())
    assert [axes.get_title() for axes in figure.axes[:9:2]] == ["-3", "-1.5", "0", "1.5", "3"]
    assert any("8 of 12 latents" in each for each in texts(figure))


def test_series_are_lines_with_a_panel_for_each_channel(of_windows, cut):
    figure = of_windows.plot_traversal(cut.rows[3], steps=4, X=cut)
    panels = figure.axes[:4]
    assert [axes.get_title() for axes in panels] == ["pressure", "volume", "", ""]
    values = np.linspace(*np.quantile(of_windows.encode(cut)[:, 1].astype(float), [0.01, 0.99]), 4)
    rows = of_windows.traverse(cut.rows[3], 1, values=values)
    for channel, axes in enumerate(panels[2:]):
        *lines, own = axes.lines
        np.testing.assert_allclose([line.get_ydata() for line in lines], rows[..., channel], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(own.get_ydata(), cut.rows[3, :, channel])


def test_a_table_is_drawn_as_the_columns_that_change_most(of_people, people):
    figure = of_people.plot_traversal(people.iloc[[0]], steps=21, X=people)
    assert [axes.get_title("left") for axes in figure.axes] == ["latent 0", "latent 1"]
    for latent, axes in enumerate(figure.axes):
        lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
        assert 1 <= len(lines) <= 5
        values = next(iter(lines.values())).get_xdata()
        decoded = of_people.traverse(people.iloc[[0]], latent, values=values)
        for name, line in lines.items():
            column, _, level = name.partition(" is ")
            if column == "income":
                assert np.corrcoef(line.get_ydata(), decoded.income)[0, 1] > 0.999
            elif column == "smoker":
                np.testing.assert_array_equal(line.get_ydata() > 0.5, decoded.smoker)
            elif column == "city":
                assert ((line.get_ydata() >= 0) & (line.get_ydata() <= 1)).all()
                assert (decoded.city[line.get_ydata() > 0.5] == level).all()


def test_a_traversal_with_a_condition_keeps_it(people):
    model = Autoencoder(2, **QUICK | {"condition": ["city"]}).fit(people, evaluate=False)
    figure = model.plot_traversal(people.iloc[[0]], steps=3)
    drawn = {line.get_label().partition(" is ")[0] for axes in figure.axes for line in axes.lines}
    assert "city" not in drawn
    assert "city, category" not in texts(model.plot_errors(people))


# Errors.


def test_the_histogram_marks_the_median_and_the_99th_percentile(fitted, digits):
    rows = digits.x_test[:300]
    [axes] = fitted.plot_errors(rows).axes
    errors = fitted.model_.squared_error_per_row(rows)
    np.testing.assert_allclose([line.get_xdata()[0] for line in axes.lines], np.quantile(errors, [0.5, 0.99]))
    assert sum(bar.get_height() for bar in axes.patches) == 300
    assert axes.get_xlabel() == "mean squared error of a row, of values in [0, 1]"


def test_columns_of_a_table_are_compared_with_the_best_constant(of_people, people):
    _, columns = of_people.plot_errors(people).axes
    restored = of_people.reconstruct(people)
    expected = {"income, number": np.square(people.income - restored.income).mean() / people.income.var(ddof=0)}
    for name, kind in (("city", "category"), ("smoker", "boolean")):
        constant = (people[name] != people[name].mode()[0]).mean()
        expected[f"{name}, {kind}"] = (people[name] != restored[name]).mean() / constant
    found = {
        label.get_text(): bar.get_width() for label, bar in zip(columns.get_yticklabels(), columns.patches, strict=True)
    }
    assert len(found) == 5
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert list(found.values()) == sorted(found.values(), reverse=True)


# Files, and what a plot leaves alone.


FORMATS = [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]


@pytest.mark.parametrize(("ending", "begins"), FORMATS)
def test_a_path_gets_the_figure_in_the_format_of_its_ending_and_the_same_bytes(fitted, tmp_path, ending, begins):
    contents = []
    for name in "ab":
        figure = fitted.plot_history(path=tmp_path / f"{name}{ending}")
        contents.append((tmp_path / f"{name}{ending}").read_bytes())
    assert contents[0].startswith(begins)
    assert contents[0] == contents[1]
    assert figure.axes
    with pytest.raises(OutputError, match="exists: choose another name, or pass force=True"):
        fitted.plot_history(path=tmp_path / f"a{ending}")
    fitted.plot_history(path=str(tmp_path / f"a{ending}"), force=True)


ROWS, COUNT = "plot_reconstructions() expected numbers of rows from 0 to 49, got ", "plot_reconstructions(): count "
MANY, LATENT = (
    "plot_reconstructions() can draw 100 rows, got ",
    "plot_traversal() expected numbers of latents from 0 to 7",
)
WRONG = [  # a method, its arguments with the number of the rows in place of rows, the message
    ("plot_reconstructions", (50,), {"rows": [50]}, ROWS + "50."),
    ("plot_reconstructions", (50,), {"rows": [-1]}, ROWS + "-1."),
    ("plot_reconstructions", (50,), {"rows": []}, ROWS + "[]."),
    ("plot_reconstructions", (50,), {"rows": "first"}, ROWS + "'f'."),
    ("plot_reconstructions", (50,), {"rows": 0.5}, ROWS + "0.5."),
    ("plot_reconstructions", (50,), {"count": 0}, COUNT + "must be a whole number of at least 1, got 0."),
    ("plot_reconstructions", (50,), {"count": 101}, MANY + "count=101: pass fewer."),
    ("plot_reconstructions", (50,), {"rows": [0] * 101}, MANY + "101: pass fewer."),
    ("plot_latents", (50,), {"color": "age"}, "plot_latents(): the rows have no columns, so that none is 'age'"),
    ("plot_latents", (50,), {"color": [1, 2]}, "or one value for each of 50 rows, got [1, 2]."),
    ("plot_latents", (50,), {"color": np.zeros((50, 2))}, "or one value for each of 50 rows, got shape (50, 2)."),
    ("plot_latents", (50,), {"color": 3}, "or one value for each of 50 rows, got 3."),
    ("plot_latents", ("digits",), {"color": "label"}, "plot_latents(): digits has no columns: pass one value for each"),
    ("plot_traversal", (1,), {"latents": 8}, LATENT + ", got 8."),
    ("plot_traversal", (1,), {"latents": [0, -1]}, LATENT + ", got -1."),
    ("plot_traversal", (1,), {"steps": 1}, "plot_traversal(): steps must be a whole number of at least 2, got 1."),
    ("plot_traversal", (1,), {"steps": 51}, "plot_traversal(): steps must be at most 50, got 51."),
    ("plot_history", (), {"path": "curve.gif"}, "one of .png, .svg, .pdf, got 'curve.gif'."),
    ("plot_history", (), {"path": 3}, "path must be the name of a file that ends in one of .png"),
]


@pytest.mark.parametrize(("method", "given", "options", "said"), WRONG)
def test_what_is_wrong_is_said_in_one_line(fitted, digits, method, given, options, said):
    rows = {50: digits.x_test[:50], 1: digits.x_test[0]}
    with pytest.raises(OptionError, match=re.escape(said)) as error:
        getattr(fitted, method)(*(rows.get(each, each) for each in given), **options)
    assert "\n" not in str(error.value)


def test_rows_of_another_shape_are_refused_by_the_name_of_the_plot(fitted, digits):
    with pytest.raises(ShapeError, match=r"^plot_errors\(\) expected images of 28 x 28"):
        fitted.plot_errors(digits.x_test[:, :5])
    with pytest.raises(ShapeError, match=r"^plot_traversal\(\) expected images of 28 x 28"):
        fitted.plot_traversal(digits.x_test[:2])


def test_a_column_that_does_not_exist_is_answered_with_the_nearest_name(of_people, people, tmp_path):
    people.to_csv(tmp_path / "people.csv", index=False)
    for source in (people, tmp_path / "people.csv"):
        with pytest.raises(DataError, match=r"unknown column 'citi'\. Did you mean 'city'\?"):
            of_people.plot_latents(source, color="citi")


def test_an_unfitted_estimator_says_that_it_is_not_fitted():
    with pytest.raises(NotFittedError, match="not fitted"):
        Autoencoder().plot_history()


def test_plots_leave_pyplot_and_the_settings_of_matplotlib_alone(run, model_path):
    script = (
        "import json, sys, matplotlib as mpl, diabolo; "
        "state = lambda: [mpl.rcParams[name] for name in mpl.rcParams if name != 'backend']; before = state(); "
        f"model, rows = diabolo.load({str(model_path)!r}), diabolo.datasets.digits().x_test[:50]; "
        "model.plot_reconstructions(rows); model.plot_latents(rows); model.plot_traversal(rows[0]); "
        "model.plot_errors(rows, path='e.svg'); model.plot_history()._repr_png_(); model._repr_html_(); "
        "found = [name in sys.modules for name in ('matplotlib.pyplot', 'tensorflow')]; "
        "print(json.dumps([*found, before == state()]))"
    )
    done = run("-c", script)
    assert done.code == 0, done.err
    assert json.loads(done.out) == [False, False, True]


def test_a_notebook_shows_a_figure_without_pyplot(fitted):
    shown, _ = DisplayFormatter().format(fitted.plot_history())
    assert shown["image/png"].startswith(b"\x89PNG")


def test_names_are_drawn_as_they_are_even_if_they_look_like_formulas(people, tmp_path):
    names = {"city": r"$\frac{", "income": "$a$ and $b$", "age": "line\nbreak", "smoker": "<b>" * 40}
    frame = people.rename(columns=names)
    model = Autoencoder(2, **QUICK).fit(frame, evaluate=False)
    figures = [
        model.plot_reconstructions(frame, count=3),
        model.plot_latents(frame, color=names["income"]),
        model.plot_latents(frame, color=names["city"]),
        model.plot_traversal(frame.iloc[[0]]),
        model.plot_errors(frame),
    ]
    for at, figure in enumerate(figures):
        pictures.save(figure, tmp_path / f"{at}.png")
    assert any(r"\$a\$ and \$b\$" in each for each in texts(figures[1]))
    assert any(r"line\nbreak" in each for each in texts(figures[0]))


def test_originals_can_be_read_in_a_dark_style_of_the_user(fitted_table, table):
    with mpl.rc_context({"text.color": "white", "axes.facecolor": "black"}):
        figure = fitted_table.plot_reconstructions(table, count=1)
    assert figure.axes[0].lines[0].get_color() == "white"


# The command line.


def test_encode_draws_the_latents_besides_writing_them(cli, tmp_path, model_path, digits):
    done = cli("encode", model_path, "digits:test", "--picture", "map.png")
    assert (done.code, done.out) == (0, "digits-test-latents.npy: float32 (1000, 8)\nmap.png\n")
    expected = load(model_path).encode(digits.x_test)
    np.testing.assert_array_equal(np.load(tmp_path / "digits-test-latents.npy"), expected)
    with Image.open(tmp_path / "map.png") as picture:
        colours = {to_hex(np.array(each[1][:3]) / 255) for each in picture.convert("RGB").getcolors(1 << 20)}
    assert {each.lower() for each in canvas.CATEGORICAL} <= colours  # of the legend


def test_encode_draws_the_same_map_as_plot_latents(cli, tmp_path, of_people, people, monkeypatch):
    of_people.save(tmp_path / "people")
    people.to_csv(tmp_path / "people.csv", index=False)
    seen, draw = [], pictures.latents
    monkeypatch.setattr(pictures, "latents", lambda *given: seen.append(draw(*given)) or seen[-1])
    for label in ("city", "income", "since"):
        done = cli("encode", "people.safetensors", "people.csv", "--picture", "map.png", "--label", label, "--force")
        assert done.code == 0, done.err
        of_people.plot_latents(tmp_path / "people.csv", color=label)
        ours, theirs = (figure.axes[0].collections[0] for figure in seen[-2:])
        np.testing.assert_allclose(ours.get_offsets(), theirs.get_offsets(), rtol=1e-5)
        np.testing.assert_allclose(ours.get_facecolors(), theirs.get_facecolors(), atol=1e-3)
    done = cli("encode", "people.safetensors", "people.csv", "--picture", "map.png")
    assert "map.png exists" in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--label", "x"], "--label is only used in a picture: add --picture FILE.png."),
        (["--picture", "map.gif"], "--picture must end in .png, got 'map.gif'"),
        (["--picture", "map.png", "--label", "x"], "--label x: digits:test has no columns: leave --label out."),
        (["--picture", "map.png", "--codes"], "--picture draws latents, not codes: leave --codes out, or --picture."),
    ],
)
def test_a_wrong_picture_is_refused_before_any_row_is_encoded(cli, tmp_path, model_path, options, said):
    done = cli("encode", model_path, "digits:test", *options)
    assert done.code == 2
    assert said in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_map_keeps_rows_spread_evenly_however_they_come(rng):
    for most in (10, 100, 1_000):
        kept, total = Evenly(lambda values, places: values[places], most), 0
        while total < 5_000:
            count = int(rng.integers(1, 70))
            kept.add(np.arange(total, total + count))
            total += count
        values = np.concatenate(kept.parts)
        assert most / 2 <= len(values) <= most
        np.testing.assert_array_equal(values, np.arange(0, total, kept.step))
        np.testing.assert_array_equal(values, kept.numbers)


# Cards.


class Card(HTMLParser):
    """Reads a card: its texts; refuses what it must not have, and tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.texts, self._open = [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        assert tag in ("div", "svg", "title", "text", "tspan", "path", "circle", "polyline")
        for name, value in attributes:
            assert not name.startswith("on")
            assert name not in ("href", "src", "xlink:href")
            assert "url(" not in value
            assert "//" not in value
        self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


def svg(card):
    return ET.fromstring(re.search(r"<svg.*</svg>", card, re.DOTALL)[0])


def test_a_fitted_estimator_is_shown_as_a_card(table):
    model = Autoencoder(3, **QUICK).fit(table)
    bundle = model._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == repr(model)
    assert bundle["text/html"] == model._repr_html_()
    said = Card(bundle["text/html"]).texts
    evaluation, network = model.evaluation_, model.model_.network
    assert said[0] == "Autoencoder"
    pairs = dict(zip(said[1:-1:2], said[2::2], strict=False))
    assert pairs["rows"] == "8 features"
    assert pairs["trained on"] == "540 rows of an array, 60 more for validation"
    assert pairs["latents"] == "3 for 8, 1 : 2.67"
    assert pairs["weights"] == f"{network.weight_count:,}"
    assert pairs["epochs"] == f"4, best {model.best_epoch_}"
    pca = f"{evaluation.error:.4g}, of PCA of the same size {evaluation.pca_error:.4g} (ratio "
    assert pairs["error"].startswith(pca)
    shown, _ = DisplayFormatter().format(model)
    assert shown["text/html"] == bundle["text/html"]


def test_the_curve_on_a_card_has_the_losses_of_the_history(fitted_table):
    drawing = svg(fitted_table._repr_html_())
    lines = drawing.findall(".//polyline")
    history, found = fitted_table.history_, []
    for line, name in zip(lines, ("loss", "val_loss"), strict=True):
        points = np.array([each.split(",") for each in line.get("points").split()], float)
        assert len(points) == 20
        assert np.ptp(np.diff(points[:, 0])) < 0.02  # epochs are evenly spaced
        slope, start = np.polyfit(history[name], points[:, 1], 1)
        assert slope < 0  # y grows downwards
        np.testing.assert_allclose(points[:, 1], slope * np.array(history[name]) + start, atol=0.02)
        found.append((slope, start))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)
    dot, best = drawing.find(".//circle"), fitted_table.best_epoch_
    assert float(dot.get("cy")) == pytest.approx(float(lines[1].get("points").split()[best - 1].split(",")[1]))
    long = Autoencoder(1, structure=[2], epochs=700, random_state=0, verbose=False)
    long.fit(np.random.default_rng(0).normal(size=(40, 3)), evaluate=False)
    assert len(svg(long._repr_html_()).find(".//polyline").get("points").split()) <= 301


def test_a_loaded_model_and_a_detector_are_shown_as_cards(fitted, tmp_path, table):
    loaded = load(fitted.save(tmp_path / "digits"))
    said = Card(loaded._repr_html_()).texts
    assert said[:3] == ["diabolo model", "rows", "images of 28 x 28 (784 numbers)"]
    assert DisplayFormatter().format(loaded)[0]["text/html"] == loaded._repr_html_()
    detector = AnomalyDetector(Autoencoder(2, **QUICK), contamination=0.05).fit(table)
    said = Card(detector._repr_mimebundle_()["text/html"]).texts
    assert said[0] == "AnomalyDetector"
    assert f"anomalies: rows with a score above {detector.threshold_:.4g} (contamination 0.05)" in said
    again = AnomalyDetector.load(detector.save(tmp_path / "detector"))
    assert again._repr_html_() == detector._repr_html_()


def test_names_with_markup_are_escaped(people, cut):
    frame = people.rename(columns={"city": "<script>alert(1)</script>", "age": "a & b \N{RIGHT-TO-LEFT OVERRIDE}"})
    model = Autoencoder(2, **QUICK).fit(frame, evaluate=False, source='"><img src=x onerror=alert(1)>')
    text = model._repr_html_()
    said = " ".join(Card(text).texts)  # refuses every other tag
    assert "<script>alert(1)</script>" in said
    assert "a & b \\u202e" in said
    assert '"><img src=x onerror=alert(1)>' in said
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), columns=[letter * 5_000 for letter in "abcd"])
    assert len(Autoencoder(2, **QUICK).fit(wide, evaluate=False)._repr_html_()) < 10_000


@pytest.mark.parametrize("estimator", [Autoencoder(3), AnomalyDetector()], ids=["autoencoder", "detector"])
def test_an_unfitted_estimator_keeps_the_representation_of_scikit_learn(estimator):
    html = estimator._repr_mimebundle_()["text/html"]
    assert "sk-" in html
    assert "diabolo-card" not in html
    assert BaseEstimator._repr_mimebundle_(estimator).keys() == {"text/plain", "text/html"}
    assert "sk-" in estimator._repr_html_()


def test_scikit_learn_can_be_told_to_show_texts_alone(fitted):
    with sklearn.config_context(display="text"):
        assert fitted._repr_mimebundle_() == {"text/plain": repr(fitted)}
        assert not hasattr(fitted, "_repr_html_")
    assert hasattr(fitted, "_repr_html_")
