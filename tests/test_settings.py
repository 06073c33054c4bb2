"""Each setting is stated once: what is made from `Settings` is the same everywhere."""

import inspect
import re
import runpy
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from diabolo import Autoencoder
from diabolo.autoencoder import settings_of
from diabolo.data.frames.columns import KINDS
from diabolo.errors import OptionError
from diabolo.model.settings import DEFAULTS, PARTS, SETTINGS, Settings, table_of
from diabolo.network.layers import Dense
from diabolo.network.optimizers import OPTIMIZERS
from diabolo.network.penalties import PENALTIES
from diabolo.network.presets import PRESETS


def test_the_estimator_has_the_arguments_of_the_settings_in_their_order():
    parameters = dict(inspect.signature(Autoencoder).parameters)
    assert parameters.pop("verbose").default == "auto"  # which says nothing of the training
    assert {name: each.default for name, each in parameters.items()} == DEFAULTS
    assert list(parameters) == list(DEFAULTS)


def test_the_estimator_explains_each_setting_in_their_order():
    documented = re.findall(r"^        (\w+): ", inspect.getdoc(Autoencoder).replace("    ", "        "), re.MULTILINE)
    assert documented[: len(SETTINGS)] == list(SETTINGS)


def test_the_page_of_settings_is_the_one_that_is_made_from_them():
    path = Path(__file__).parents[1] / "scripts" / "make_settings_page.py"
    make_settings_page = SimpleNamespace(**runpy.run_path(str(path)))
    assert make_settings_page.PAGE.read_text("utf-8") == make_settings_page.page()


def test_fit_has_an_option_with_the_help_of_each_setting(cli):
    shown = " ".join(re.sub(r"[^\x20-\x7e]", " ", cli("fit", "--help").out).split())
    for name, known in SETTINGS.items():
        if known.option is not None:
            assert (known.names or (f"--{name.replace('_', '-')}",))[0] in shown
            assert " ".join(known.help.split()[:4]) in shown


def test_the_help_and_the_estimator_name_every_kind_of_a_part_and_every_optimizer():
    named = {name: tuple(table_of(name)) for name in PARTS} | {"optimizer": tuple(OPTIMIZERS), "types": KINDS}
    explained = inspect.getdoc(Autoencoder)
    for name, kinds in named.items():
        for kind in kinds:
            assert kind in SETTINGS[name].help, (name, kind)
            assert kind in explained or name == "optimizer", (name, kind)  # which the docstring finds in its table


def test_presets_use_only_settings_whose_option_can_be_left_out():
    used = {name for preset in PRESETS.values() for name in preset.settings}
    assert used <= {"structure", "bottleneck", "corruption", "penalty"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"latent_dim": 0}, "latent_dim must be a whole number of at least 1, got 0"),
        ({"latent_dim": "many"}, "latent_dim must be a whole number or 'auto', got 'many'"),
        ({"structure": "dens 64"}, "dens"),
        ({"activation": "reluu"}, "unknown activation 'reluu'"),
        ({"tied": "yes"}, "tied must be True or False, got 'yes'"),
        ({"bottleneck": "gausian"}, "unknown bottleneck 'gausian'. Did you mean 'gaussian'"),
        ({"corruption": "masking:2"}, "masking"),
        ({"penalty": 3}, "penalty must be a text such as "),
        ({"reconstruction_loss": None}, "reconstruction_loss must be a text such as "),
        ({"optimizer": 3}, "optimizer must be a text such as 'adamw:0.1', got 3"),
        ({"optimizer": "auto", "learning_rate": 0.1}, "optimizer='auto' chooses the rate as well"),
        ({"learning_rate": -1}, "learning_rate must be a number above 0"),
        ({"learning_rate_schedule": "linear"}, "unknown learning_rate_schedule 'linear'"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"precision": "bfloat32"}, "unknown precision 'bfloat32'. Did you mean 'float32'"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be in \[0, 1\), got 1.0"),
        ({"types": {"a": 3}}, "types must be kinds by name"),
        ({"series": 1}, "series must be True or False, got 1"),
    ],
)
def test_a_value_that_no_rows_could_make_right_is_refused_at_once(given, message):
    with pytest.raises(OptionError, match=message):
        Settings(**given)


def test_numbers_of_numpy_become_pythons_and_nothing_can_be_changed_afterwards():
    settings = Settings(latent_dim=np.int64(3), learning_rate=np.float32(0.5), structure=[np.int32(8)])
    assert (type(settings.latent_dim), type(settings.learning_rate), type(settings.structure[0])) == (int, float, int)
    with pytest.raises(FrozenInstanceError):
        settings.epochs = 3
    with pytest.raises(OptionError, match="epochs"):
        settings.changed(epochs=-1)


def test_a_record_keeps_parts_and_layers_as_json():
    penalty = next(iter(PENALTIES.values()))(weight=0.5)
    settings = Settings(structure=[Dense(units=8)], penalty=penalty).seeded(7)
    config = settings.to_config()
    assert config["structure"] == [Dense(units=8).to_config()]
    assert config["penalty"] == penalty.to_config()
    assert config["random_state"] == 7
    assert set(config) == {name for name, known in SETTINGS.items() if known.types}


def test_settings_of_an_estimator_are_its_arguments():
    settings = settings_of(Autoencoder(4, epochs=3, bottleneck="gaussian:beta=4"))
    assert (settings.latent_dim, settings.epochs, settings.bottleneck) == (4, 3, "gaussian:beta=4")


def test_a_seed_is_drawn_once_and_kept():
    assert Settings().seeded().seed != Settings().seeded().seed
    assert Settings(random_state=5).seeded().seed == 5
    with pytest.raises(OptionError, match="no seed"):
        _ = Settings().seed


@pytest.mark.parametrize("name", PARTS)
def test_every_setting_that_is_a_part_names_a_table_of_its_kinds(name):
    assert all(part.kind == kind for kind, part in table_of(name).items())
