"""The page of a model in a real browser: Debian's Chromium, without a network. Skipped where there is none.

What the page computes is compared with the model in Python. Order: the browser, what is computed, what leaves and what
survives, faults of other viewers, access, the server.
"""

import io
import itertools
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diabolo import Autoencoder
from diabolo.page import cells, networks, views
from diabolo.page.widget import widget
from page_file import PageFile

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install '.[test]' brings playwright")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
READY = "() => globalThis.diabolo !== undefined"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Open a file, or an address, without a network; give the tab, which collects requests and errors."""
    contexts = []

    def go(place, *, wait=True, script=None, **settings):
        context = browser.new_context(
            offline=str(place).startswith("/"),
            viewport=settings.pop("viewport", {"width": 1280, "height": 800}),
            **settings,
        )
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        tab.requests, tab.errors = [], []
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.on("console", lambda line: tab.errors.append(line.text) if line.type == "error" else None)
        if script:
            tab.add_init_script(script)
        tab.goto(Path(place).as_uri() if str(place).startswith("/") else place)
        if wait:
            tab.wait_for_function(READY)
        return tab

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def of_digits(digits):
    return Autoencoder(8, structure="skip 64", epochs=5, random_state=0, verbose=False).fit(
        digits.x_train[:2000], evaluate=False
    )


@pytest.fixture(scope="module")
def digits_page(of_digits, digits, pages):
    """A page of 600 digits."""
    return of_digits.report(digits.x_test[:600], pages / "digits", labels=digits.y_test[:600], encoder=True)


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(3)
    n = 500
    frame = pd.DataFrame(
        {
            "id": [f"C{at:04d}" for at in range(n)],
            "age": rng.integers(18, 90, n).astype(float),
            "income": np.exp(rng.normal(10, 1.6, n)).round(2),
            "city": rng.choice(["Berlin", "Paris", "Rome"], n),
            "member": rng.random(n) < 0.4,
            "since": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), "D"),
        }
    )
    frame["spent"] = (frame.income * 0.01 + 20 * frame.member).round(2)
    frame.loc[rng.random(n) < 0.05, "age"] = np.nan
    return frame


@pytest.fixture(scope="module")
def of_people(people):
    return Autoencoder(3, epochs=30, random_state=0, verbose=False).fit(people, evaluate=False)


@pytest.fixture(scope="module")
def people_page(of_people, people, pages):
    return of_people.report(people, pages / "people")


def map_of(tab):
    return tab.get_by_role("application", name=re.compile("^Map of"))


def explorer(tab):
    tab.get_by_role("tab", name="Explore").click()
    map_of(tab).wait_for()
    tab.wait_for_timeout(300)
    return map_of(tab)


# What the page computes.

DECODE = """async (all) => {
  const found = [];
  for (const latents of all) {
    const row = await diabolo.decode(Float32Array.from(latents), 0);
    found.push(Array.from(row, (each) => (Number.isNaN(each) ? null : each)));
  }
  return found;
}"""
STRUCTURES = ["skip", "dense 32", "conv 8, dense 16", "residual 16", "lstm 8", "gru 8", "attention"]
BOTTLENECKS = ["plain", "sparse", "gaussian", "quantized", "ordered", "refined:steps=1"]
QUICK = [("skip", "plain"), ("dense 32", "gaussian"), ("conv 8, dense 16", "plain"), ("lstm 8", "plain")]


@pytest.mark.parametrize(
    ("structure", "bottleneck"),
    [
        *QUICK,
        *(
            pytest.param(*both, marks=pytest.mark.slow)
            for both in itertools.product(STRUCTURES, BOTTLENECKS)
            if both not in QUICK
        ),
    ],
)
def test_the_page_decodes_and_encodes_as_the_model_does(structure, bottleneck, opened, digits, tmp_path):
    rows = digits.x_train[:120, ::2, ::2]
    rows = rows / 255.0 if structure.partition(" ")[0] in ("lstm", "gru", "attention") else rows
    model = Autoencoder(4, structure=structure, bottleneck=bottleneck, epochs=1, random_state=0, verbose=False).fit(
        rows, evaluate=False
    )
    tab = opened(model.report(rows, tmp_path / "page", encoder=True))
    latents = model.encode(rows)[:6]
    found = np.array(tab.evaluate(DECODE, latents.tolist()))
    expected = model.decode(latents).astype(float).reshape(6, -1)
    assert np.abs(found - expected).max() <= (1 if rows.dtype == np.uint8 else 1 / 255)
    encode = (
        "async (rows) => Promise.all(rows.map(async (row) => Array.from(await diabolo.encode(Float32Array.from(row)))))"
    )
    found = np.array(tab.evaluate(encode, rows[:6].reshape(6, -1).tolist()))
    np.testing.assert_allclose(found, latents, atol=2e-3)
    assert tab.errors == []


def test_cells_of_all_kinds_are_decoded_in_their_own_units(opened, of_people, people, people_page):
    tab = opened(people_page)
    latents = of_people.encode(people).filter(like="latent").to_numpy(np.float32)[:40]
    found = np.array(tab.evaluate(DECODE, latents.tolist()), float)
    expected = of_people.model_.decode(latents)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    encode = """async (rows) => Promise.all(rows.map(async (row) =>
      Array.from(await diabolo.encode(Float64Array.from(row, (each) => (each === null ? NaN : each))))))"""
    rows = of_people._read(people, "encode()")[:40]
    cells = [[None if np.isnan(cell) else cell for cell in row] for row in rows.tolist()]
    np.testing.assert_allclose(tab.evaluate(encode, cells), latents, atol=1e-3)


def test_series_with_gaps_and_vectors_are_decoded(opened, tmp_path):
    rng = np.random.default_rng(0)
    time = np.linspace(0, 6, 24)
    series = np.stack([np.sin(time + at) for at in rng.uniform(0, 6, 200)])[..., None] * [1, 30] + rng.normal(
        0, 0.05, (200, 24, 2)
    )
    series[rng.random(series.shape) < 0.05] = np.nan
    wide = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 700))
    for name, rows, more in (("series", series, {"series": True}), ("wide", wide, {})):
        model = Autoencoder(3, epochs=3, random_state=0, verbose=False, **more).fit(rows, evaluate=False)
        tab = opened(model.report(rows, tmp_path / name))
        latents = model.encode(rows)[:5]
        expected = model.decode(latents).reshape(5, -1)
        found = np.array(tab.evaluate(DECODE, latents.tolist()))
        assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


def test_the_decoder_of_a_condition_gets_that_of_the_row(opened, tmp_path):
    rng = np.random.default_rng(0)
    site = rng.choice(["A", "B"], 300)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("xyz")).assign(site=site)
    frame.loc[site == "B", "x"] += 5
    model = Autoencoder(1, condition="site", epochs=20, random_state=0, verbose=False).fit(frame, evaluate=False)
    tab = opened(model.report(frame, tmp_path / "page"))
    latent = model.encode(frame).filter(like="latent").to_numpy()[:1].tolist()[0]
    for level in "AB":
        row = int(np.flatnonzero(site == level)[0])
        found = tab.evaluate(
            "async ([latent, row]) => Array.from(await diabolo.decode(Float32Array.from(latent), row))", [latent, row]
        )
        expected = model.decode(pd.DataFrame([latent], columns=["latent_0"]), condition={"site": level})
        assert found[0] == pytest.approx(expected["x"].iloc[0], rel=1e-3)
        assert found[3] == "AB".index(level)


def test_the_nearest_rows_are_those_of_numpy(opened, of_digits, digits, digits_page):
    tab = opened(digits_page)
    latents = np.array(
        tab.evaluate("() => Array.from({length: diabolo.count}, (_, at) => Array.from(diabolo.latents(at)))")
    )
    np.testing.assert_allclose(latents, of_digits.encode(digits.x_test[:600]), atol=np.ptp(latents) / 200)
    for row in (0, 77, 599):
        found = tab.evaluate("(row) => Array.from(diabolo.nearest(diabolo.latents(row), 9))", row)
        distances = np.square(latents - latents[row]).sum(axis=1)
        np.testing.assert_allclose(distances[found], np.sort(distances)[:9], rtol=1e-4)


def test_two_latents_are_their_own_map(opened, digits, tmp_path):
    model = Autoencoder(2, epochs=2, random_state=0, verbose=False).fit(digits.x_train[:400], evaluate=False)
    rows = digits.x_train[:400]
    tab = opened(model.report(rows, tmp_path / "page"))
    latents = model.encode(rows)
    found = np.array(
        tab.evaluate(
            """async () => { const map = await diabolo.map(0); return [0, 7, 399].map((row) =>
            Array.from(diabolo.latentsAt(0, map[2 * row], map[2 * row + 1]))); }"""
        )
    )
    np.testing.assert_allclose(found, latents[[0, 7, 399]], atol=np.ptp(latents) / 10_000)


# What one does in the explorer.


def shown(tab):
    """Return the pixels of the reconstruction that the explorer shows."""
    picture = tab.get_by_role("region", name="Current point").get_by_role("img", name="Decoded picture")
    return np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("L"), float)


def test_dragging_through_the_map_changes_what_is_decoded(opened, digits_page):
    tab = opened(digits_page)
    box = explorer(tab).bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(*middle)
    tab.mouse.down()
    pictures = []
    for step in range(4):
        tab.mouse.move(middle[0] + 40 * step, middle[1] - 30 * step, steps=3)
        tab.wait_for_timeout(100)
        pictures.append(shown(tab))
    tab.mouse.up()
    assert all(np.abs(a - b).max() > 20 for a, b in itertools.pairwise(pictures))
    assert tab.errors == []


def test_the_keyboard_alone_moves_selects_and_opens_the_table(opened, digits_page):
    tab = opened(digits_page)
    explorer(tab).focus()
    before = shown(tab)
    for key in ("ArrowRight",) * 6 + ("ArrowUp",) * 6:
        tab.keyboard.press(key)
    tab.wait_for_timeout(200)
    assert np.abs(shown(tab) - before).max() > 20
    tab.keyboard.press("Enter")  # the nearest row
    tab.keyboard.press("s")
    assert tab.get_by_role("button", name="1 selected").is_visible()
    tab.keyboard.press("?")
    assert tab.get_by_role("dialog").is_visible()
    tab.keyboard.press("Escape")
    assert tab.get_by_role("dialog").count() == 0 or not tab.get_by_role("dialog").is_visible()


def lasso(tab):
    """Draw around the middle of the map."""
    box = explorer(tab).bounding_box()
    tab.get_by_role("button", name="Lasso").click()
    corners = [(0.35, 0.35), (0.65, 0.35), (0.65, 0.65), (0.35, 0.65), (0.35, 0.36)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    tab.mouse.move(*points[0])
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*point, steps=8)
    tab.mouse.up()
    button = tab.get_by_role("button", name=re.compile(r"^[\d,]+ selected$"))
    button.wait_for()
    return int(button.inner_text().split()[0].replace(",", ""))


def test_rows_in_a_lasso_are_downloaded_as_they_are_in_the_data(opened, people, people_page, tmp_path):
    tab = opened(people_page)
    count = lasso(tab)
    assert 0 < count < len(people)
    read = {"CSV": pd.read_csv, "Parquet": pd.read_parquet}
    found = {}
    for name in ("CSV", "Parquet", "Row numbers"):
        with tab.expect_download() as download:
            tab.get_by_role("button", name=name, exact=True).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        found[name] = read[name](path) if name in read else [int(line) for line in path.read_text().split()]
    numbers = found["Row numbers"]
    assert len(numbers) == count
    for name in ("CSV", "Parquet"):
        frame = found[name]
        assert len(frame) == count
        assert frame["id"].tolist() == people["id"].iloc[numbers].tolist()
        assert frame["city"].tolist() == people["city"].iloc[numbers].tolist()
        np.testing.assert_allclose(frame["income"], people["income"].iloc[numbers], rtol=1e-6)
        np.testing.assert_allclose(frame["age"], people["age"].iloc[numbers], rtol=1e-6)


def test_a_selection_survives_saving(opened, digits_page, tmp_path):
    tab = opened(digits_page)
    count = lasso(tab)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save page").click()
    again = tmp_path / "again.html"
    download.value.save_as(again)
    tab = opened(again)
    assert tab.get_by_role("button", name=f"{count} selected").is_visible()
    assert PageFile(again).contents == PageFile(digits_page).contents
    assert tab.errors == []


def test_an_edited_cell_is_encoded_and_decoded_at_once(opened, of_people, people, people_page):
    tab = opened(people_page)
    explorer(tab)
    title = tab.get_by_role("region", name="Current point").get_by_role("heading", level=2)
    row = int(re.search(r"[\d,]+", title.inner_text())[0].replace(",", ""))
    tab.get_by_label("income", exact=True).fill("123456")
    tab.wait_for_timeout(400)
    assert "edited" in title.inner_text().lower()
    changed = people.iloc[[row]].copy()
    changed["income"] = 123456.0
    latents = of_people.encode(changed).filter(like="latent").to_numpy()[0]
    for at in range(3):
        slider = tab.get_by_role("slider", name=re.compile(f"^latent {at}"))
        assert float(slider.input_value()) == pytest.approx(latents[at], abs=0.02)


# What leaves the page, and what survives.


def test_the_only_request_is_the_file(opened, digits_page):
    tab = opened(digits_page)
    for view in ("Report", "Explore"):
        tab.get_by_role("tab", name=view).click()
        tab.wait_for_timeout(500)
    assert [url for url in tab.requests if not url.startswith(("blob:", "data:"))] == [digits_page.as_uri()]
    assert tab.errors == []


@pytest.mark.parametrize("without", ["WebGPU", "WebGL"])
def test_the_page_works_without(without, opened, digits_page):
    gone = {
        "WebGPU": "delete Navigator.prototype.gpu;",
        "WebGL": """const real = HTMLCanvasElement.prototype.getContext;
          HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
            return kind.startsWith("webgl") ? null : real.call(this, kind, ...rest); };""",
    }[without]
    tab = opened(digits_page, script=gone)
    tab.get_by_role("tab", name="Explore").click()
    tab.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(map_of(tab).screenshot())).convert("RGB")
    colours = picture.getcolors(1 << 20)
    assert len(colours) >= 8  # the points of ten digits
    assert tab.errors == []


HOSTILE = [
    "<img src=x onerror=globalThis.hurt=1>",
    "</script><script>globalThis.hurt=1</script>",
    "\u202eevil",
    "x" * 10_000,
]


def test_names_and_cells_with_markup_do_no_harm(opened, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 4)), columns=HOSTILE)
    frame["kind"] = rng.choice(HOSTILE[:3], 80)
    frame["note"] = [f"{HOSTILE[at % 4]}{at}" for at in range(80)]
    model = Autoencoder(2, epochs=1, random_state=0, verbose=False).fit(frame, evaluate=False)
    tab = opened(
        model.report(frame, tmp_path / "page", title=HOSTILE[0], labels="kind"), viewport={"width": 420, "height": 800}
    )
    for view in ("Report", "Explore"):
        tab.get_by_role("tab", name=view).click()
        tab.wait_for_timeout(700)
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= 420
    assert tab.evaluate("() => globalThis.hurt") is None
    assert tab.locator("img[src=x]").count() == 0
    assert tab.errors == []


def test_the_policy_holds_against_a_script_that_is_put_into_the_page(opened, digits_page):
    tab = opened(digits_page)
    tab.evaluate("""() => { fetch("https://example.org/").catch(() => { globalThis.refused = true; }); }""")
    tab.wait_for_function("() => globalThis.refused === true")
    tab.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.hurt = 1";
      document.body.append(script);
      const picture = document.createElement("div");
      picture.innerHTML = "<img src='data:,' onerror='globalThis.hurt = 1'>";
      document.body.append(picture);
    }""")
    tab.wait_for_timeout(300)
    assert tab.evaluate("() => globalThis.hurt") is None
    assert any("Content Security Policy" in error for error in tab.errors)


# Faults of other viewers.


def test_no_row_is_left_out_silently(opened, of_digits, digits, tmp_path):
    tab = opened(of_digits.report(digits.x_test, tmp_path / "page", rows=200))
    for view in ("Report", "Explore"):
        tab.get_by_role("tab", name=view).click()
        tab.wait_for_timeout(500)
        assert any(each.is_visible() for each in tab.get_by_text("200 of 1,000").all())


def test_a_picture_is_that_of_its_row_in_every_sheet(monkeypatch, opened, of_digits, digits, tmp_path):
    monkeypatch.setattr(cells, "SHEET", 28 * 5)  # 24 sheets
    path = of_digits.report(digits.x_test[:600], tmp_path / "page")
    assert len(PageFile(path).header["rows"]["originals"]["blocks"]) == 24
    tab = opened(path)
    for row in (0, 24, 25, 333, 599):
        found = tab.evaluate("async (row) => Array.from(await diabolo.original(row))", row)
        assert (np.array(found).reshape(28, 28) == digits.x_test[row]).all()


def test_a_thumbnail_is_that_of_its_row_after_filtering(opened, digits, digits_page):
    tab = opened(digits_page)
    explorer(tab)
    for level in ("0", "1", "7"):
        tab.get_by_role("button", name=re.compile(rf"^{level} \d")).click()
    place = """() => [...document.querySelectorAll("ol button[data-row]")].map((each) => {
      const canvas = each.querySelector("canvas");
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return [Number(each.dataset.row), canvas.width, Array.from(pixels).filter((_, at) => at % 4 === 0)];
    })"""
    tab.wait_for_timeout(500)
    found = tab.evaluate(place)
    assert len(found) == 8
    for row, width, pixels in found:
        assert width == 28
        assert (np.array(pixels).reshape(28, 28) == digits.x_test[row]).all()


@pytest.mark.slow
def test_more_pictures_than_one_texture_can_hold(opened, pages):
    """12,000 pictures of 64 x 64 are more than 8,192 pixels a side."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.repeat(rng.integers(0, 256, (12_000, 4, 4), np.uint8), 16, axis=1), 16, axis=2)
    model = Autoencoder(2, structure=[8], epochs=1, random_state=0, verbose=False).fit(rows[:300], evaluate=False)
    path = model.report(rows, pages / "many", rows=None)
    sheets = PageFile(path).header["rows"]["originals"]["blocks"]
    assert len(sheets) == 3
    tab = opened(path)
    for row in (0, 4_095, 4_096, 11_999):
        found = tab.evaluate("async (row) => Array.from(await diabolo.original(row))", row)
        assert (np.array(found).reshape(64, 64) == rows[row]).all()


# Access.


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("view", ["Report", "Explore"])
def test_axe_finds_nothing_serious(view, colours, opened, digits_page, people_page):
    axe = os.environ.get("AXE") or Path(__file__).parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not Path(axe).is_file():
        pytest.skip("needs axe-core: npm ci in web/")
    for path in (digits_page, people_page):
        tab = opened(path, color_scheme=colours, bypass_csp=True)
        tab.get_by_role("tab", name=view).click()
        tab.wait_for_timeout(800)
        tab.add_script_tag(path=str(axe))
        found = tab.evaluate("async () => (await axe.run()).violations")
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in serious] == []


# The server, and notebooks.


def test_the_explorer_from_a_server_asks_only_the_server(opened, of_digits, digits):
    server = views.serve(of_digits.model_, digits.x_test, labels=digits.y_test, file="m").start()
    try:
        tab = opened(server.url)
        before = explorer(tab) and shown(tab)
        tab.get_by_role("slider", name=re.compile("^latent 0")).press("End")
        tab.wait_for_timeout(300)
        assert np.abs(shown(tab) - before).max() > 20
        assert tab.evaluate("() => diabolo.count") == 1_000
        assert all(url.startswith((server.url, "blob:", "data:")) for url in tab.requests)
        with tab.expect_download() as download:
            tab.get_by_role("button", name="Save page").click()
        assert PageFile(download.value.path().read_text()).header["base"] is None
        assert tab.errors == []
    finally:
        server.close()


def test_rows_that_a_server_does_not_send_at_once_are_asked_for_one_by_one(monkeypatch, opened, of_digits, digits):
    monkeypatch.setattr(cells, "SENT", 1_000)
    server = views.serve(of_digits.model_, digits.x_test, rows=50).start()
    try:
        assert server.page.header["rows"]["originals"] == {"way": "server"}
        tab = opened(server.url)
        number = tab.evaluate("() => diabolo.number(31)")
        found = tab.evaluate("async () => Array.from(await diabolo.original(31))")
        assert (np.array(found).reshape(28, 28) == digits.x_test[number]).all()
    finally:
        server.close()


def test_a_model_too_large_to_send_is_computed_by_the_server(monkeypatch, opened, of_digits, digits, tmp_path):
    monkeypatch.setattr(networks, "LARGEST", 1_000)
    server = views.serve(of_digits.model_, digits.x_test[:40]).start()
    try:
        assert server.page.header["decoder"] == {"way": "server"}
        tab = opened(server.url)
        latents = of_digits.encode(digits.x_test[:3])
        found = np.array(tab.evaluate(DECODE, latents.tolist()))
        assert (found.reshape(3, 28, 28) == of_digits.decode(latents)).all()
    finally:
        server.close()
    path = of_digits.report(digits.x_test[:40], tmp_path / "page")
    assert PageFile(path).header["decoder"] is None
    tab = opened(path)
    explorer(tab)
    assert any(each.is_visible() for each in tab.get_by_text("no decoder").all())


def test_the_widget_of_a_notebook_shows_the_page(browser, of_digits, digits):
    pytest.importorskip("anywidget")
    page = views.make(of_digits.model_, digits.x_test[:60], view="explore", encoder=True)
    shown = widget(page)
    tab = browser.new_page(viewport={"width": 1000, "height": 800})
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.set_content("<style>* { color: red !important; font-size: 40px }</style><div id=cell></div>")
    tab.evaluate(
        """async ([code, page]) => {
          const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
          module.default.render({ model: { get: () => page, on() {}, off() {} }, el: document.querySelector("#cell") });
        }""",
        [str(shown._esm), shown.page],
    )
    map_of(tab).wait_for()
    assert any(each.is_visible() for each in tab.get_by_text("60 rows").all())
    assert errors == []
    tab.close()
