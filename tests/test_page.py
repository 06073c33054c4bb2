"""The page of a model, as Python writes it: what is in the file and what is not, and the server. No browser."""

import io
import itertools
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from scipy.sparse import csr_matrix
from scipy.special import erf
from sklearn.decomposition import PCA

import diabolo
from diabolo import AnomalyDetector, Autoencoder
from diabolo.errors import DataError, MissingExtraError, OptionError, OutputError
from diabolo.model import file as modelfile
from diabolo.page import cells, document, maps, networks, views
from diabolo.page.blocks import Blocks
from page_file import PageFile, read_block


@pytest.fixture(scope="module")
def people():
    """600 rows of a table with all kinds of columns, gaps, an id, and a secret in a column that is left out."""
    rng = np.random.default_rng(3)
    n = 600
    frame = pd.DataFrame(
        {
            "id": [f"secret-{at}" for at in range(n)],
            "age": rng.integers(18, 90, n),
            "income": np.exp(rng.normal(10, 0.6, n)).round(2),
            "visits": rng.poisson(4, n),
            "city": rng.choice(["Berlin", "Paris", "Rome"], n),
            "member": rng.random(n) < 0.4,
            "since": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), "D"),
        }
    )
    frame["spent"] = frame.income * 0.01 + frame.visits * 20
    frame.loc[rng.random(n) < 0.05, "income"] = np.nan
    return frame


@pytest.fixture(scope="module")
def of_people(people):
    return Autoencoder(3, structure=[16], epochs=5, random_state=0, verbose=False).fit(people, evaluate=False)


@pytest.fixture
def page(fitted, digits, tmp_path):
    return PageFile(fitted.report(digits.x_test[:300], tmp_path / "page", labels=digits.y_test[:300]))


def test_a_page_asks_for_nothing_outside_itself(page):
    assert page.header["size"] == len(page.text.encode())
    for tag, known in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not {"src", "href", "action"} & set(known)
    (policy,) = (known["content"] for _, known in page.tags if known.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "http" not in policy
    assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
    assert "unsafe-inline" not in rules["script-src"]


def test_latents_errors_and_labels_are_those_of_the_model(page, fitted, digits):
    rows = digits.x_test[:300]
    latents = fitted.encode(rows)
    found, step = page.block("latents"), np.ptp(latents, axis=0) / 254
    assert (np.abs(found - latents) <= step / 2 + 1e-6).all()
    differences = fitted.model_.adapter.adapt(rows) - fitted.model_.apply_link(
        fitted.model_.raw_outputs(fitted.model_.adapter.adapt(rows))
    )
    np.testing.assert_allclose(page.block("errors"), np.square(differences).mean(axis=(1, 2, 3)), rtol=1e-4)
    (label,) = page.header["columns"]
    assert label["role"] == "label"
    assert [label["levels"][int(at)] for at in page.block(label["block"])] == [str(at) for at in digits.y_test[:300]]


def test_pictures_lie_side_by_side_in_sheets_without_loss(fitted, digits, monkeypatch, tmp_path):
    monkeypatch.setattr(cells, "SHEET", 28 * 7)  # 7 pictures a side, as if there were many
    page = PageFile(fitted.report(digits.x_test[:120], tmp_path / "page"))
    originals = page.header["rows"]["originals"]
    assert len(originals["blocks"]) == 3
    for row in (0, 48, 49, 119):  # the first and the last of a sheet
        sheet, place = divmod(row, originals["per"])
        picture = np.asarray(Image.open(io.BytesIO(page.block(originals["blocks"][sheet]))).convert("L"))
        down, across = divmod(place, originals["columns"])
        assert max(picture.shape) <= 28 * 7
        tile = picture[28 * down : 28 * down + 28, 28 * across : 28 * across + 28]
        assert (tile == digits.x_test[row]).all()


def run(program, weights, tensors):
    """Compute a program of a page, written from the definitions of the operators."""
    values = dict(tensors)
    for name, place in program["constants"].items():
        size = int(np.prod(place["shape"]))
        values[name] = weights[place["start"] : place["start"] + size].astype(np.float64).reshape(place["shape"])

    def gemm(a, b, c=0.0, alpha=1.0, beta=1.0, transA=0, transB=0):
        return alpha * (a.T if transA else a) @ (b.T if transB else b) + beta * c

    def softmax(x, axis=-1):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    def norm(x, gamma, beta, axis=-1, epsilon=1e-5):
        return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + epsilon) * gamma + beta

    def selu(x):
        return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))

    operators = {
        "Gemm": gemm,
        "MatMul": lambda a, b: a @ b,
        "Add": np.add,
        "Sub": np.subtract,
        "Mul": np.multiply,
        "Div": np.divide,
        "Identity": lambda x: x,
        "Reshape": lambda x: x.reshape(len(x), -1),
        "Flatten": lambda x, axis=1: x.reshape(len(x), -1),
        "Concat": lambda *several, axis: np.concatenate(several, axis=axis),
        "Elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
        "Relu": lambda x: np.maximum(x, 0),
        "LeakyRelu": lambda x, alpha=0.01: np.where(x > 0, x, alpha * x),
        "Selu": selu,
        "Gelu": lambda x: x / 2 * (1 + erf(x / np.sqrt(2))),
        "Tanh": np.tanh,
        "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "Softplus": lambda x: np.log1p(np.exp(x)),
        "Softsign": lambda x: x / (1 + np.abs(x)),
        "Exp": np.exp,
        "Mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
        "HardSigmoid": lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
        "Clip": lambda x, low, high: np.clip(x, low, high),
        "Softmax": softmax,
        "LayerNormalization": norm,
    }
    assert set(operators) == networks.OPERATORS
    for node in program["nodes"]:
        operator = operators[node["op"]]
        values[node["output"]] = operator(*(values[name] for name in node["inputs"]), **node["attributes"])
    return values[program["output"]]


@pytest.mark.parametrize(
    ("structure", "bottleneck"),
    [
        *itertools.product(["skip", "dense 32"], ["plain", "gaussian", "sparse", "ordered"]),
        *itertools.product(["conv 8, dense 16"], ["plain", "quantized"]),
        ("skip", "refined:steps=1"),
        ("lstm 8", "plain"),
        ("attention", "plain"),
    ],
)
def test_the_networks_in_a_page_are_those_of_the_model(structure, bottleneck, digits):
    rows = digits.x_train[:80, ::2, ::2] if structure != "lstm 8" else digits.x_train[:80, ::2, ::2] / 255.0
    settings = {"structure": structure, "bottleneck": bottleneck, "epochs": 1, "random_state": 0, "verbose": False}
    model = Autoencoder(4, **settings).fit(rows, evaluate=False).model_
    blocks, latents = Blocks(), model.encode(rows)
    tensors = model.adapter.adapt(rows)
    decoder = networks.decoder(model, blocks, latents[:0], served=False)
    encoder = networks.encoder(model, blocks, served=True, asked=True)
    for network, given, expected in (
        (decoder, latents, model.apply_link(model.raw_outputs(tensors))),
        (encoder, tensors.reshape(len(tensors), -1), latents),
    ):
        if network["way"] == "own":
            program = network["program"]
            block = blocks.all[program["weights"]]
            found = run(program, read_block(block.facts, block.content), {program["inputs"][0]: given.astype(float)})
        else:
            block = blocks.all[network["block"]]
            session = onnxruntime.InferenceSession(read_block(block.facts, block.content))
            shaped = given.reshape(len(given), *session.get_inputs()[0].shape[1:])
            (found,) = session.run([network["output"]], {network["inputs"][0]: shaped.astype(np.float32)})
        np.testing.assert_allclose(found.reshape(len(found), -1), expected.reshape(len(found), -1), atol=2e-4)
    assert structure not in ("skip", "dense 32") or decoder["way"] == "own"


def test_short_weights_change_no_pixel_by_a_step(fitted, digits, tmp_path):
    page = PageFile(fitted.report(digits.x_test[:300], tmp_path / "page"))
    program = page.header["decoder"]["program"]
    assert page.header["blocks"][program["weights"]]["type"] == "f2"
    latents = fitted.encode(digits.x_test[:300])
    found = run(program, page.block(program["weights"]), {"latent": latents.astype(float)})
    exact = fitted.decode(latents).astype(float).reshape(300, -1)
    assert np.abs(np.rint(found * 255) - exact).max() <= 1


def test_short_weights_of_an_onnx_file_change_no_pixel_by_a_step(digits):
    model = Autoencoder(3, structure="conv 8", epochs=1, random_state=0, verbose=False)
    model = model.fit(digits.x_train[:300], evaluate=False).model_
    blocks, latents = Blocks(), model.encode(digits.x_test[:100])
    decoder = networks.decoder(model, blocks, latents, served=False)
    block = blocks.all[decoder["block"]]
    content = read_block(block.facts, block.content)
    assert len(content) < 0.7 * 4 * model.network.weight_count / 2
    (found,) = onnxruntime.InferenceSession(content).run([decoder["output"]], {"latent": latents})
    assert np.abs(np.rint(found * 255).reshape(100, 28, 28) - model.decode(latents)).max() <= 1


def test_a_table_comes_with_its_cells_in_their_own_units(of_people, people, tmp_path):
    page = PageFile(of_people.report(people, tmp_path / "page", labels="city"))
    columns = {each["name"]: each for each in page.header["columns"]}
    assert [columns[name]["kind"] for name in people.columns] == [
        "text", "number", "number", "number", "category", "boolean", "date", "number",
    ]  # fmt: skip
    np.testing.assert_allclose(page.block(columns["income"]["block"]), people.income, rtol=1e-6)
    assert (page.block(columns["age"]["block"]) == people.age).all()
    seconds = people.since.astype("datetime64[s]").astype(np.int64)
    assert (page.block(columns["since"]["block"]) == seconds).all()
    city = columns["city"]
    assert [city["levels"][int(at)] for at in page.block(city["block"])] == people.city.tolist()
    assert page.block(columns["id"]["block"]) == people.id.tolist()
    assert (columns["id"]["role"], columns["id"]["at"]) == ("id", None)
    assert city["role"] == "label"


def test_correlations_with_numbers_and_levels_are_those_of_numpy(of_people, people, tmp_path):
    header = PageFile(of_people.report(people, tmp_path / "page")).header
    latents, found = of_people.encode(people), header["latents"]["correlations"]
    latents = latents.filter(like="latent").to_numpy(np.float64)
    at = found["columns"].index("visits")
    expected = [np.corrcoef(latents[:, k], people.visits)[0, 1] for k in range(3)]
    np.testing.assert_allclose([line[at] for line in found["values"]], expected, rtol=1e-5)
    at = found["columns"].index("city")
    groups = [latents[people.city == city] for city in sorted(set(people.city))]
    between = sum(len(each) * (each.mean(0) - latents.mean(0)) ** 2 for each in groups) / len(people)
    np.testing.assert_allclose([line[at] for line in found["values"]], np.sqrt(between / latents.var(0)), rtol=1e-5)


def test_many_rows_are_rounded_and_said_to_be(monkeypatch, of_people, people, tmp_path):
    monkeypatch.setattr(cells, "EXACT_NUMBERS", 100)
    page = PageFile(of_people.report(people, tmp_path / "page"))
    columns = {each["name"]: each for each in page.header["columns"]}
    assert columns["spent"]["rounded"]
    assert np.abs(page.block(columns["spent"]["block"]) - people.spent).max() <= np.ptp(people.spent) / 65_534
    assert "rounded" in columns["income"]
    far = PageFile(
        of_people.report(people.assign(income=people.income.replace(people.income[3], 1e12)), tmp_path / "far")
    )
    income = next(each for each in far.header["columns"] if each["name"] == "income")
    assert "rounded" not in income  # one far value would leave the others with too few steps
    np.testing.assert_allclose(far.block(income["block"])[4:9], people.income[4:9], rtol=1e-6)
    assert "rounded" not in columns["visits"]  # whole numbers stay exact
    assert (page.block(columns["visits"]["block"]) == people.visits).all()


def test_fewer_rows_are_spread_evenly_and_counted(fitted, digits, tmp_path):
    page = PageFile(fitted.report(digits.x_test, tmp_path / "page", rows=100))
    rows = page.header["rows"]
    assert (rows["count"], rows["total"]) == (100, 1_000)
    assert rows["which"] == "spread evenly over the data"
    numbers = page.block(rows["numbers"])
    assert numbers.min() < 20
    assert numbers.max() > 980
    assert np.diff(numbers).max() <= 20
    latents = fitted.encode(digits.x_test)[numbers]
    assert np.abs(page.block("latents") - latents).max() <= np.ptp(latents, axis=0).max() / 254


def test_what_is_left_out_is_nowhere_in_the_file(of_people, people, tmp_path):
    whole = PageFile(of_people.report(people, tmp_path / "whole", labels="city"))
    assert "secret-7" in everything(whole)
    without = PageFile(of_people.report(people, tmp_path / "without", without=["originals", "labels"]))
    assert "secret-7" not in everything(without)
    assert without.header["rows"]["originals"] is None
    assert "original" not in without.header["contents"]
    alone = PageFile(of_people.report(people, tmp_path / "alone", only_model=True))
    assert alone.header["rows"] is None
    assert "row" not in alone.header["contents"]
    assert not any(name.startswith(("latents", "column", "errors")) for name in alone.contents)
    bare = PageFile(of_people.report(people, tmp_path / "bare", without=["decoder"]))
    assert not any("weights" in name for name in bare.contents)


def everything(page):
    """Return all texts of a page: its own, and those of its blocks."""
    blocks = [str(page.block(name)) for name, facts in page.header["blocks"].items() if facts["type"] == "json"]
    return "\n".join([page.text, *blocks])


def test_names_cannot_end_the_script_that_they_are_in(tmp_path):
    names = ["</script><script>alert(1)</script>", "<!--", "a\u202eb", "\u2028", "x" * 10_000]
    rows = np.random.default_rng(0).normal(size=(60, len(names)))
    frame = pd.DataFrame(rows, columns=names)
    model = Autoencoder(2, epochs=1, random_state=0, verbose=False).fit(frame, evaluate=False)
    page = PageFile(model.report(frame, tmp_path / "page", title=f"{names[0]}\ud800"))
    assert [each["name"] for each in page.header["columns"]] == names
    assert page.header["title"] == f"{names[0]}\ufffd"
    assert [tag for tag, _ in page.tags].count("script") == page.text.count("<script")
    assert "alert(1)</script>" not in page.text


def test_the_first_map_is_that_of_pca_or_the_plane_of_two_latents(fitted, digits, tmp_path):
    rows = digits.x_test[:400]
    page = PageFile(fitted.report(rows, tmp_path / "page"))
    (first,) = page.header["maps"]
    latents = fitted.encode(rows)
    theirs, ours = PCA(2).fit_transform(latents), page.block(first["block"])
    for axis in range(2):
        assert abs(np.corrcoef(theirs[:, axis], ours[:, axis])[0, 1]) > 0.9999
    share = PCA(2).fit(latents).explained_variance_ratio_.sum()
    assert f"{share:.0%}" in first["note"]
    blocks = Blocks()
    (plane,) = maps.maps(latents[:, :2], blocks)
    assert plane["plane"]
    found = read_block(blocks.all[plane["block"]].facts, blocks.all[plane["block"]].content)
    assert np.abs(found - latents[:, :2]).max() <= np.ptp(latents[:, :2], axis=0).max() / 65_000


def test_a_map_by_tsne_is_computed_once(fitted, digits, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    latents, calls = fitted.encode(digits.x_test[:60]), []
    real = maps.METHODS["tsne"]
    monkeypatch.setitem(maps.METHODS, "tsne", (lambda latents: calls.append(1) or real[0](latents), real[1]))
    first, second = (maps.maps(latents, blocks, ("tsne",)) for blocks in (Blocks(), Blocks()))
    assert [each["name"] for each in first] == ["t-SNE", "PCA"]
    assert first == second
    assert len(calls) == 1


def test_anomalies_name_the_cells_and_what_was_expected(tmp_path):
    rng = np.random.default_rng(0)
    factor = rng.normal(size=500)
    rows = np.stack([factor, 2 * factor, -factor], axis=1) + 0.05 * rng.normal(size=(500, 3))
    rows[123, 1] = -8 * np.sign(rows[123, 0] or 1)
    detector = AnomalyDetector(random_state=0, verbose=False).fit(rows)
    labels = np.zeros(500, int)
    labels[123] = 1
    path = detector.autoencoder_.report(rows, tmp_path / "page", labels=labels)
    page = PageFile(path)
    found = page.header["anomalies"]
    first = found["top"][0]
    assert first["row"] == 123
    assert first["cells"][0]["column"] == "1"
    assert float(first["cells"][0]["value"]) == pytest.approx(rows[123, 1], rel=1e-3)
    assert abs(float(first["cells"][0]["expected"]) - 2 * factor[123]) < 1
    np.testing.assert_allclose(page.block(found["scores"]), -detector.score_samples(rows), rtol=1e-5)
    probabilities = detector.probability(rows)
    np.testing.assert_allclose(page.block(found["probabilities"]), probabilities, rtol=1e-5)
    reliability = found["reliability"]
    assert reliability["brier"] == pytest.approx(np.square(probabilities - labels).mean(), rel=1e-6)
    assert reliability["brierOfShare"] == pytest.approx(0.002 * 0.998)
    assert sum(each["count"] for each in reliability["bins"]) == 500


def test_the_command_that_trains_again_has_what_differs_from_the_defaults(cli, tmp_path, table):
    np.save(tmp_path / "rows.npy", table)
    cli("fit", "rows.npy", "--latent", "2", "--epochs", "2", "--structure", "dense 9", "--report", "--no-pictures")
    page = PageFile(tmp_path / "rows-report.html")
    words = page.header["model"]["command"].split()
    assert words[:3] == ["diabolo", "fit", "rows.npy"]
    options = page.header["model"]["command"].replace("'", "")
    for option in ("--latent 2", "--epochs 2", "--structure dense 9", "--random-state 0"):
        assert option in options
    assert page.header["rows"]["which"] == "all test rows"
    assert page.header["evaluation"]["evaluatedOn"] == "test"


def test_commands_write_the_page_and_say_what_it_contains(cli, model_path, tmp_path):
    out = cli("report", model_path, "digits:test", "-o", "page.html", "--rows", "200").out
    page = PageFile(tmp_path / "page.html")
    assert "page.html: 0." in out
    assert page.header["contents"] in out
    assert "200 of 1,000 rows, spread evenly" in out
    assert page.header["view"] == "report"
    assert page.header["columns"][0]["role"] == "label"
    assert cli("report", model_path, "digits:test", "-o", "page.html").code == 2  # it exists
    assert "--force" in cli("report", model_path, "digits:test", "-o", "page.html").err
    cli("explore", model_path, "digits:test", "--save", "explore.html", "--rows", "50")
    assert PageFile(tmp_path / "explore.html").header["view"] == "explore"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rows", "-1"], "--rows must be at least 0"),
        (["--without", "pixels"], "decoder, labels, originals"),
        (["--map", "som"], "tsne"),
        (["--label", "kind"], "kind"),
    ],
)
def test_a_wrong_option_is_one_line(cli, model_path, options, words):
    done = cli("report", model_path, "digits:test", "-o", "page.html", *options)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1


def test_wrong_calls_say_what_to_do(fitted, digits, tmp_path):
    rows = digits.x_test[:50]
    with pytest.raises(DataError, match="a label for each of 50 rows"):
        fitted.report(rows, tmp_path / "page", labels=[1, 2])
    with pytest.raises(OptionError, match="no columns"):
        fitted.report(rows, tmp_path / "page", labels="kind")
    fitted.report(rows, tmp_path / "page")
    with pytest.raises(OutputError, match="force"):
        fitted.report(rows, tmp_path / "page")


def test_a_model_of_the_light_install_says_what_the_page_needs(fitted, digits, monkeypatch, tmp_path):
    from diabolo.page import maps as module

    monkeypatch.setattr(module.missing, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"diabolo\[maps\]"):
        module.maps(fitted.encode(digits.x_test[:50]), Blocks(), ("umap",))


@pytest.fixture
def served(fitted, digits):
    server = views.serve(fitted.model_, digits.x_test[:90], labels=digits.y_test[:90], file="m").start()
    yield server
    server.close()


def ask(url, body=None, **headers):
    """Return the status and the content of an answer."""
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_server_gives_the_page_its_blocks_and_rows(served, fitted, digits):
    status, text = ask(served.url)
    page = PageFile(text.decode())
    assert status == 200
    assert page.contents == {}
    for name, facts in page.header["blocks"].items():
        status, content = ask(f"{served.url}blocks/{name}")
        assert status == 200
        read_block(facts, content)
    _, row = ask(f"{served.url}rows/41")
    assert (np.frombuffer(row, "<f4").reshape(28, 28) == digits.x_test[41]).all()


def test_a_server_encodes_decodes_and_saves(served, fitted, digits, tmp_path):
    latents = fitted.encode(digits.x_test[:3])
    _, decoded = ask(f"{served.url}decode", latents.astype("<f4").tobytes())
    assert (np.frombuffer(decoded, "<f4").reshape(3, 28, 28) == fitted.decode(latents)).all()
    _, encoded = ask(f"{served.url}encode", digits.x_test[:3].astype("<f4").tobytes())
    np.testing.assert_allclose(np.frombuffer(encoded, "<f4").reshape(latents.shape), latents, atol=1e-6)
    _, saved = ask(f"{served.url}save", json.dumps({"selection": [1, "</script>"]}).encode())
    page = PageFile(saved.decode())
    assert page.header["base"] is None
    assert page.header["size"] == len(saved)
    assert set(page.header["blocks"]) == set(page.contents)
    state = re.search(r'id="diabolo-state">(.*?)</script>', saved.decode(), re.DOTALL)
    assert json.loads(state[1]) == {"selection": [1, "</script>"]}


def test_a_server_answers_only_those_who_know_the_address(served):
    host = served.url.split("/")[2]
    assert ask(f"http://{host}/")[0] == 403
    assert ask(f"http://{host}/guess/blocks/latents")[0] == 403
    assert ask(served.url, Host="evil.example")[0] == 403  # another name for 127.0.0.1
    assert ask(f"{served.url}decode", b"", Origin="http://evil.example")[0] == 403
    assert ask(served.url, Host=f"localhost:{host.split(':')[1]}")[0] == 200


def test_a_server_survives_bad_requests(served):
    for path, body, status in (
        ("decode", b"123", 400),
        ("encode", b"\0" * 40, 400),
        ("save", b"{", 400),
        ("else", b"", 404),
        ("blocks/../header", None, 404),
        ("rows/9999", None, 404),
        ("rows/-1", None, 404),
    ):
        assert ask(served.url + path, body)[0] == status
    assert ask(f"{served.url}decode", np.full((1, 8), np.nan, "<f4").tobytes())[0] == 400
    assert ask(served.url)[0] == 200


def test_a_conditional_model_decodes_by_the_condition_it_is_given():
    rng = np.random.default_rng(0)
    site = rng.choice(["A", "B"], 400)
    base = rng.normal(size=(400, 3))
    frame = pd.DataFrame(base, columns=list("xyz")).assign(site=site)
    frame.loc[site == "B", "x"] += 5
    model = Autoencoder(1, condition="site", epochs=30, random_state=0, verbose=False).fit(frame, evaluate=False)
    server = views.serve(model.model_, frame)
    try:
        facts = server.page.header["condition"]
        latents = model.model_.encode(model._read(frame, "encode()"))[:1]
        given = {"A": None, "B": None}
        for level in given:
            numbers = np.zeros(len(facts["places"]), np.float32)
            numbers["AB".index(level)] = 1
            body = np.concatenate([latents[0], numbers]).astype("<f4").tobytes()
            given[level] = np.frombuffer(server.decoded(body), "<f8")[0]
            asked = model.decode(pd.DataFrame(latents, columns=["latent_0"]), condition={"site": level})
            assert given[level] == pytest.approx(asked["x"].iloc[0], rel=1e-5)
        assert given["B"] > given["A"] + 2
    finally:
        server.close()


def test_a_page_of_a_loaded_model_is_that_of_the_estimator(fitted, digits, model_path, tmp_path):
    loaded = diabolo.load(model_path)
    ours, theirs = (each.report(digits.x_test[:40], tmp_path / f"{at}") for at, each in enumerate((fitted, loaded)))
    first, second = PageFile(ours), PageFile(theirs)
    assert first.contents == second.contents


def test_the_header_is_what_the_browser_expects():
    """Every name that the browser's types list is written, and no other."""
    source = (Path(__file__).parents[1] / "web" / "src" / "format.ts").read_text()
    fields = re.search(r"export interface Header \{(.*?)\n\}", source, re.DOTALL)[1]
    names = set(re.findall(r"^  (\w+)\??:", fields, re.MULTILINE))
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 4))
    model = Autoencoder(2, epochs=1, random_state=0, verbose=False).fit(rows, evaluate=False)
    page = document.page(model.model_, None)
    assert set(page.header) == names
    assert modelfile.SUFFIX not in page.header["title"]


def test_cells_of_anomalies_are_left_out_with_the_original_rows(of_people, people, tmp_path):
    rows = people.assign(spent=people.spent.where(people.index != 7, 987_654.25))
    page = PageFile(of_people.report(rows, tmp_path / "whole"))
    assert "9.877e+05" in page.text
    page = PageFile(of_people.report(rows, tmp_path / "page", without="originals"))
    assert "9.877e+05" not in page.text
    assert all(each["cells"] == [] for each in page.header["anomalies"]["top"])
    assert page.header["anomalies"]["top"][0]["row"] == 7
    server = views.serve(of_people.model_, rows, without=("originals",)).start()
    try:
        assert ask(f"{server.url}rows/5")[0] == 404
    finally:
        server.close()


def test_labels_that_are_left_out_are_no_column_either(fitted, digits, tmp_path):
    for at, label in enumerate(digits.y_test[:30]):
        folder = tmp_path / "pictures" / f"class-{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.x_test[at]).save(folder / f"{at}.png")
    whole = PageFile(fitted.report(str(tmp_path / "pictures"), tmp_path / "whole"))
    assert {each["name"] for each in whole.header["columns"]} == {"label", "file"}
    page = PageFile(fitted.report(str(tmp_path / "pictures"), tmp_path / "page", without=["labels"]))
    assert page.header["columns"] == []
    assert "class-" not in everything(page)


def test_one_row_far_from_all_others_leaves_the_latents_of_the_others_exact(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 6))
    model = Autoencoder(3, epochs=2, random_state=0, verbose=False).fit(rows, evaluate=False)
    far = rows.copy()
    far[500, 2] = 1e6
    page = PageFile(model.report(far, tmp_path / "page"))
    np.testing.assert_allclose(page.block("latents")[:20], model.encode(far)[:20], atol=1e-3)


def test_a_part_of_a_data_set_has_a_report_with_its_labels(cli, tmp_path, digits):
    cli("fit", "digits:test", "--epochs", "1", "--latent", "3", "--structure", "dense 8", "--report", "--no-pictures")
    page = PageFile(tmp_path / "digits-test-report.html")
    numbers = page.block(page.header["rows"]["numbers"])
    label = page.header["columns"][0]
    levels = [label["levels"][int(at)] for at in page.block(label["block"])]
    assert levels == [str(at) for at in digits.y_test[numbers]]


def test_rows_of_a_report_of_a_training_are_numbered_as_in_the_data(cli, tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 5))
    np.save(tmp_path / "rows.npy", rows)
    cli("fit", "rows.npy", "--epochs", "1", "--latent", "2", "--report", "--no-pictures")
    page = PageFile(tmp_path / "rows-report.html")
    numbers = page.block(page.header["rows"]["numbers"])
    np.testing.assert_allclose(page.block("column/3"), rows[numbers, 3], rtol=1e-6)


def test_a_condition_stays_in_a_page_without_original_rows_and_is_named(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("xyz")).assign(site=rng.choice(["A", "B"], 80))
    model = Autoencoder(1, condition="site", epochs=1, random_state=0, verbose=False).fit(frame, evaluate=False)
    page = PageFile(model.report(frame, tmp_path / "page", without=["originals"]))
    columns = {each["name"]: each for each in page.header["columns"]}
    assert columns["site"]["block"] in page.contents
    assert columns["x"]["block"] not in page.contents
    assert "the condition (site)" in page.header["contents"]


@pytest.mark.parametrize(("rows", "latents"), [(5, 3), (60, 1)])
def test_a_map_that_cannot_be_made_is_one_line(rows, latents):
    with pytest.raises(OptionError, match="at least 10 rows and two latents"):
        maps.maps(np.zeros((rows, latents), np.float32), Blocks(), ("tsne",))


def test_a_map_is_made_without_a_cache(monkeypatch, fitted, digits):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no-such-folder")
    assert maps.maps(fitted.encode(digits.x_test[:60]), Blocks(), ("tsne",))[0]["name"] == "t-SNE"


def test_a_port_that_is_taken_is_one_line(served, fitted, digits):
    port = int(served.url.split(":")[2].split("/")[0])
    with pytest.raises(OptionError, match=f"port {port}"):
        views.serve(fitted.model_, digits.x_test[:20], port=port)


def test_pictures_of_16_bits_keep_their_numbers(tmp_path):
    rows = np.random.default_rng(0).integers(0, 65_536, (60, 8, 8)).astype(np.uint16)
    model = Autoencoder(3, epochs=1, random_state=0, verbose=False).fit(rows, evaluate=False)
    page = PageFile(model.report(rows, tmp_path / "page"))
    assert page.header["rows"]["originals"]["way"] == "block"
    assert (page.block("originals") == rows).all()
    assert page.header["adapter"]["most"] == 65_535


def test_a_page_is_an_html_file(fitted, digits, tmp_path):
    with pytest.raises(OutputError, match=r"page\.html"):
        fitted.report(digits.x_test[:20], tmp_path / "page.pdf")


def test_sparse_rows_and_cells_that_arrow_cannot_hold_have_a_page(caplog, tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 4)) * (rng.random((90, 4)) < 0.4)
    model = Autoencoder(2, epochs=1, random_state=0, verbose=False).fit(rows, evaluate=False)
    page = PageFile(model.report(csr_matrix(rows), tmp_path / "sparse", rows=30))
    numbers = page.block(page.header["rows"]["numbers"])
    np.testing.assert_allclose(page.block("column/2"), rows[numbers, 2], rtol=1e-6)
    frame = pd.DataFrame(rows, columns=list("abcd"))
    model = Autoencoder(2, epochs=1, random_state=0, verbose=False).fit(frame, evaluate=False)
    odd = frame.assign(other=[{1, 2}, "x", 3.5] * 30)
    page = PageFile(model.report(odd, tmp_path / "odd"))
    assert [each["name"] for each in page.header["columns"]] == list("abcd")
    assert "not shown" in caplog.text


def test_options_about_rows_need_rows(cli, model_path):
    assert "add DATA" in cli("report", model_path, "--rows", "5").err
    assert "add DATA" in cli("explore", model_path, "--label", "x").err
