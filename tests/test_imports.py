"""Who loads what: light things stay light, and imports go down the plan, never up."""

import ast
from pathlib import Path

import pytest

import diabolo

SOURCE = Path(diabolo.__file__).parent
HEAVY = ("tensorflow", "keras", "sklearn")


def loaded(run, *arguments):
    """Return the top-level packages that a Python run loads, by `-X importtime`."""
    done = run("-X", "importtime", *arguments)
    assert done.code == 0, done.err
    lines = [line for line in done.err.splitlines() if line.startswith("import time:")]
    assert len(lines) > 50  # otherwise the check would pass on an empty list
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "arguments", [("-c", "import diabolo"), ("-m", "diabolo", "--help"), ("-m", "diabolo", "fit", "--help")]
)
def test_import_and_help_load_nothing_heavy(run, arguments):
    assert not loaded(run, *arguments) & {*HEAVY, "numpy", "onnxruntime"}


@pytest.mark.parametrize("verb", ["info", "encode", "reconstruct", "decode"])
def test_what_trains_nothing_loads_no_tensorflow(run, cli, model_path, verb, tmp_path):
    data = {
        "info": [],
        "encode": ["digits:test"],
        "reconstruct": ["digits:test"],
        "decode": ["digits-test-latents.npy"],
    }
    if verb == "decode":
        assert cli("encode", model_path, "digits:test").code == 0
    assert not loaded(run, "-m", "diabolo", verb, model_path, *data[verb]) & set(HEAVY)


def test_cutting_a_table_into_windows_loads_no_tensorflow(run, tmp_path):
    (tmp_path / "long.csv").write_text("at,x\n" + "".join(f"{at},{at % 5}\n" for at in range(20)))
    arguments = ("windows", "long.csv", "--time", "at", "--window", "5")
    assert not loaded(run, "-m", "diabolo", *arguments) & {*HEAVY, "onnxruntime"}


def test_load_encode_and_score_in_python_load_no_tensorflow(run, model_path):
    script = (
        f"import diabolo; model = diabolo.load({str(model_path)!r}); rows = diabolo.datasets.digits().x_test; "
        "model.reconstruct(rows); model.score(rows)"
    )
    assert not loaded(run, "-c", script) & {"tensorflow", "keras"}


def test_every_public_name_is_there_and_no_other():
    for name in diabolo.__all__:
        assert getattr(diabolo, name) is not None
    assert set(diabolo.__all__) <= set(dir(diabolo))
    with pytest.raises(AttributeError, match="Public names: AnomalyDetector, Autoencoder"):
        diabolo.Autoencoders  # noqa: B018


def outside_of(tree, methods):
    """Return the nodes of a tree that do not lie in functions of these names."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.FunctionDef) and node.name in methods):
            yield node
            yield from outside_of(node, methods)


def test_the_mathematics_of_layers_is_pure_python():
    folders = ("layers", "losses")
    files = [file for folder in folders for file in (SOURCE / "network" / folder).glob("*.py")]
    files += [
        SOURCE / "network" / f"{name}.py" for name in ("network", "structures", "pairs", "words", "links", "presets")
    ]
    files.append(SOURCE / "parts.py")
    assert len(files) > 10
    for file in files:
        # A layer makes its Keras layer where training asks for it, and Keras is loaded by then.
        methods = ("to_keras", "_to_keras") if file.parent.name == "layers" else ()
        packages = set()
        for node in outside_of(ast.parse(file.read_text()), methods):
            if isinstance(node, ast.Import):
                packages |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                packages.add((node.module or "").partition(".")[0])
        assert packages  # the walk does see imports
        assert not packages & {"keras", "tensorflow", "onnx", "onnxruntime"}


def test_layers_and_structures_load_neither_keras_nor_onnx(run):
    script = (
        "from diabolo.network import layers, losses, presets, structures, words; "
        "print(structures.build('conv 8, dense 16', (8, 8, 1), latent_dim=2).weight_count)"
    )
    assert not loaded(run, "-c", script) & {*HEAVY, "onnx", "onnxruntime"}
