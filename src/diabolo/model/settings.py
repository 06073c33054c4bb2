"""The settings of a training, each stated once.

From the fields of `Settings` come the checks, the record in a model file, the options of the command line and their
help, the names in the space of a search, and the table in docs/settings.md. The signature of `diabolo.Autoencoder` is
written out for editors and held equal by a test.

To add a setting, see "To add a setting" in CONTRIBUTING.md. Nothing heavy is imported at the top, because the command
line reads this module for `--help`. Order: what is known of a setting, the checks, the settings, by name,
the seed. `record.py` reads the settings of a model file.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from diabolo.checks import is_whole, share
from diabolo.errors import OptionError, unknown
from diabolo.model import setting_checks as checks
from diabolo.model.setting_checks import AUTO as AUTO
from diabolo.model.setting_checks import MAX_EPOCHS as MAX_EPOCHS
from diabolo.model.setting_checks import Check

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

EPOCHS, PATIENCE = 50, 10  # where neither a user nor the number of steps says otherwise
# Steps that a training has at least: with fewer, a network of few rows has hardly left its first weights.
LEAST_STEPS = 3_000
METADATA_KEY = "setting"  # the key of a field's metadata

# Headings of the help text.
NETWORK, TRAINING = "Network", "Training"


@dataclass(frozen=True)
class Setting:
    """What is known of a setting besides its name and default.

    Attributes:
        types: the JSON types that its value may have in a record; none: it is not kept in a model file.
        help: one or two sentences, for `--help` and the documentation.
        group: heading of the help text.
        option: type of its command-line option; None: it has none.
        names: of the option where it has others than its own name.
        metavar: what stands for the value in the help text.
        check: takes name and value, and raises OptionError for a value that is invalid whatever the rows are.
        table: for a setting that is a part, "module.TABLE" with the kinds.
        shared: whether all trials of a search share it, because it says how they are compared or how long they are.
        since: the version of the file format that introduced it.
        before: the value that older files get, see `model/file/upgrade.py`.
    """

    types: tuple[type, ...]
    help: str = field(default="", kw_only=True)
    group: str = field(default=TRAINING, kw_only=True)
    option: Any = field(default=None, kw_only=True)
    names: tuple[str, ...] = field(default=(), kw_only=True)
    metavar: str | None = field(default=None, kw_only=True)
    check: Check | None = field(default=None, kw_only=True)
    table: str = field(default="", kw_only=True)
    shared: bool = field(default=False, kw_only=True)
    since: int = field(default=1, kw_only=True)
    before: Any = field(default=None, kw_only=True)


def _known(types: tuple[type, ...], **known: Any) -> dict[str, Setting]:
    return {METADATA_KEY: Setting(types, **known)}


def _part(name: str, value: object) -> None:
    from diabolo.parts import Part, read_part

    table = table_of(name)
    if isinstance(value, Part):
        read_part(name, table, value)
    elif isinstance(value, str):
        chosen = (AUTO,) if DEFAULTS[name] == AUTO else ()
        if value not in chosen and value.partition(":")[0] not in table:
            raise OptionError(unknown(name, value.partition(":")[0], [*chosen, *table]))
        if value not in chosen and name != "bottleneck":  # whose settings depend on the number of latents
            read_part(name, table, value)
    elif value is not None or type(None) not in SETTINGS[name].types:
        raise OptionError(f"{name} must be a text such as {next(iter(table))!r}, got {value!r:.60}.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a training, checked when they are made: numbers of NumPy become Python's.

    `diabolo.Autoencoder` has the same arguments, and explains what each may be.

    Raises: OptionError for a value that is invalid whatever the rows are.
    """

    latent_dim: int | str | None = field(
        default=None,
        metadata=_known(
            (int, str, type(None)),
            help="Number of latents, the numbers that a row is compressed to. Default: 32, but at most a quarter of "
            "the features and half of the columns. auto: counted by two short trainings.",
            group="",
            option=str | None,
            names=("--latent", "--latent-dim", "-l"),
            metavar="NUMBER|auto",
            check=checks.latent_dim,
        ),
    )
    structure: Any = field(
        default=AUTO,
        metadata=_known(
            (str, list),
            help="The layers of the encoder, in words: skip, dense, 'conv 32-64, dense 256', 'lstm 64', attention, "
            "...; or as sizes from the features to the latent: 784-256-128. The decoder mirrors them. auto: skip, "
            "which begins as PCA, or what else suits the rows.",
            group=NETWORK,
            option=str,
        ),
    )
    tied: bool = field(
        default=False,
        metadata=_known(
            (bool,),
            help="Dense layers of the decoder use the transposed weights of the encoder.",
            group=NETWORK,
            option=bool,
            check=checks.boolean,
        ),
    )
    activation: str = field(
        default="elu",
        metadata=_known(
            (str,),
            help="Activation of the hidden layers: elu, relu, gelu, silu, tanh, ...",
            group=NETWORK,
            option=str,
            check=checks.activation,
        ),
    )
    bottleneck: Any = field(
        default="plain",
        metadata=_known(
            (str, dict),
            help="What makes the latent: plain, sparse, gaussian (variational), quantized, ordered or refined; "
            "settings follow a colon: gaussian:beta=4.",
            group=NETWORK,
            option=str,
            check=_part,
            table="diabolo.network.bottlenecks.BOTTLENECKS",
        ),
    )
    bottleneck_activation: str | None = field(
        default=None,
        metadata=_known(
            (str, type(None)),
            help="Activation of the latent, where the bottleneck allows one.",
            group=NETWORK,
            option=str | None,
        ),
    )
    corruption: Any = field(
        default=AUTO,
        metadata=_known(
            (str, dict, type(None)),
            help="Noise on the input, not on the target: gaussian:0.5, masking:0.3, salt_and_pepper:0.1, swap:0.15 or "
            "binarize. Default: none, but masking:0.3 for tables with gaps.",
            group=NETWORK,
            option=str,
            check=_part,
            table="diabolo.network.corruptions.CORRUPTIONS",
        ),
    )
    penalty: Any = field(
        default=None,
        metadata=_known(
            (str, dict, type(None)),
            help="A term that is added to the loss: contractive:0.1, mmd:100, adversarial:10, total_correlation:5, "
            "l2:0.001 or regularizers.",
            group=NETWORK,
            option=str | None,
            check=_part,
            table="diabolo.network.penalties.PENALTIES",
        ),
    )
    condition: Any = field(
        default=None,
        metadata=_known(
            (list, type(None)),
            help="Columns of a table, such as site,sex, that the decoder is given and that the latents need not carry.",
            group=NETWORK,
            option=str | None,
            metavar="NAME,...",
            check=checks.condition,
            shared=True,
            since=3,
            before=None,
        ),
    )
    independence: float = field(
        default=1.0,
        metadata=_known(
            (float, int),
            help="With a condition: how much it counts that the latents do not tell the condition; 0: not at all. With "
            "1, latents that tell all of it cost as much as columns from which nothing is learnt.",
            group=NETWORK,
            option=float,
            check=checks.not_negative,
            since=3,
            before=1.0,
        ),
    )
    reconstruction_loss: Any = field(
        default=AUTO,
        metadata=_known(
            (str, dict),
            help="bernoulli (binary cross-entropy), gaussian (squared error), huber, poisson, categorical, ssim, or "
            "auto: chosen from the rows.",
            group=NETWORK,
            option=str,
            check=_part,
            table="diabolo.network.losses.LOSSES",
        ),
    )
    optimizer: str | None = field(
        default=None,
        metadata=_known(
            (str, type(None)),
            help="adam, adamw, nadam, rmsprop, adamax, lion, muon, adafactor, schedule_free or sgd; settings follow a "
            "colon. auto: chosen from the rows. Default: adamw:0.1, or adam for a gaussian bottleneck.",
            option=str | None,
            check=checks.optimizer,
        ),
    )
    learning_rate: float | None = field(
        default=None,
        metadata=_known(
            (float, int, type(None)),
            help="Learning rate at the start. Default: what suits the optimizer, 0.001 for Adam.",
            option=float | None,
        ),
    )
    learning_rate_schedule: str = field(
        default="cosine",
        metadata=_known(
            (str,),
            help="cosine (the rate falls to 0) or constant.",
            option=str,
        ),
    )
    epochs: int | None = field(
        default=None,
        metadata=_known(
            (int, type(None)),
            help="Maximum number of epochs (passes over the training rows). Default: 50, and more for few rows, so "
            "that small networks are trained for at least 3,000 steps.",
            option=int | None,
            check=checks.epochs,
            shared=True,
        ),
    )
    batch_size: int = field(
        default=64,
        metadata=_known(
            (int,),
            help="Rows in a training step.",
            option=int,
            check=checks.whole_from(1),
        ),
    )
    precision: str = field(
        default="float32",
        metadata=_known(
            (str,),
            help="Precision of matrix products in training: float32, or bfloat16 for wide dense and convolutional "
            "layers in large batches, on processors that have it.",
            option=str,
            check=checks.precision,
            since=3,
            before="float32",
        ),
    )
    validation_fraction: float = field(
        default=0.1,
        metadata=_known(
            (float, int),
            help="Fraction of the training rows held back to find the best epoch; 0 keeps the last epoch.",
            option=float,
            check=share,
            shared=True,
        ),
    )
    patience: int | None = field(
        default=None,
        metadata=_known(
            (int, type(None)),
            help="Epochs without a better validation loss before training ends; 0: never. Default: 10, but 0 for a "
            "training of at most 3,000 steps.",
            option=int | None,
            check=checks.patience,
            shared=True,
        ),
    )
    allow_overcomplete: bool = field(
        default=False,
        metadata=_known(
            (bool,),
            help="Accept as many latents as features, or more.",
            group=NETWORK,
            option=bool,
            check=checks.boolean,
        ),
    )
    random_state: Any = field(
        default=None,
        metadata=_known(
            (int,),
            help="Seed of all random choices. The same command with the same seed writes the same file, byte for byte. "
            "Two exceptions: data read in chunks also needs the same --memory; long trainings with layers other than "
            "dense may differ, because a time measurement decides whether to compile them with XLA.",
            option=int,
            shared=True,
        ),
    )
    memory: int | str | None = field(
        default=None,
        metadata=_known(
            (),
            help="Memory that the rows may take, such as 2GB; more rows are read in chunks, again for every epoch. "
            "Default: a quarter of the free memory.",
            option=str | None,
            shared=True,
        ),
    )
    types: dict[str, str] | None = field(
        default=None,
        metadata=_known(
            (dict, type(None)),
            help="Kinds of columns by name, where the inferred kind is wrong: number, count, boolean, category, date.",
            group="",
            check=checks.types,
            shared=True,
        ),
    )
    strict: bool = field(
        default=False,
        metadata=_known(
            (bool,),
            help="Refuse a table with columns from which nothing can be learnt, in place of leaving them out.",
            group="",
            check=checks.boolean,
            shared=True,
            since=2,
            before=True,
        ),
    )
    series: bool = field(
        default=False,
        metadata=_known(
            (bool,),
            help="Arrays of three axes are series (n, time, channels), not grey images.",
            group="",
            option=bool,
            check=checks.boolean,
            shared=True,
        ),
    )

    def __post_init__(self) -> None:
        from diabolo.network import losses, optimizers
        from diabolo.network.structures import check_words
        from diabolo.parts import plain

        for name in SETTINGS:
            object.__setattr__(self, name, plain(getattr(self, name)))
        object.__setattr__(self, "reconstruction_loss", losses.full_name(self.reconstruction_loss))
        if self.condition is not None:
            object.__setattr__(self, "condition", checks.names(self.condition))
        # Whole numbers first: what follows may compare them.
        for name in ("epochs", "batch_size", "patience", *SETTINGS):
            check = SETTINGS[name].check
            if check is not None:
                check(name, getattr(self, name))
        if self.optimizer == AUTO and self.learning_rate is not None:
            raise OptionError("optimizer='auto' chooses the rate as well: leave learning_rate out.")
        if isinstance(self.structure, str) and self.structure != AUTO:
            check_words(self.structure, self.activation)
        named = None if self.optimizer == AUTO else self.optimizer
        optimizers.check(named or "adam", self.learning_rate, self.learning_rate_schedule)

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Self:
        """Return settings from arguments by name, of which only those that are settings are read."""
        arguments: dict[str, Any] = {name: value for name, value in given.items() if name in DEFAULTS}
        return cls(**arguments)

    def given(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults, by name."""
        values = {name: getattr(self, name) for name in DEFAULTS}
        return {name: value for name, value in values.items() if value != DEFAULTS[name]}

    def changed(self, **settings: object) -> Self:
        """Return the settings with some of them changed, and checked again."""
        changes: dict[str, Any] = settings
        return dataclasses.replace(self, **changes)

    def seeded(self, seed: int | None = None) -> Self:
        """Return the settings with a whole number as `random_state`: `seed`, or the one that it stands for."""
        return self.changed(random_state=seed_of(self.random_state) if seed is None else seed)

    @property
    def most_epochs(self) -> int:
        """The number of epochs, `EPOCHS` where it is left open."""
        return EPOCHS if self.epochs is None else self.epochs

    @property
    def epochs_to_wait(self) -> int:
        """The patience, `PATIENCE` where it is left open."""
        return PATIENCE if self.patience is None else self.patience

    @property
    def reading(self) -> "Reading":
        """How the columns of a table are read."""
        from diabolo.data.tables import Reading

        return Reading(types=self.types or {}, strict=self.strict)

    @property
    def seed(self) -> int:
        """The seed, of settings that are `seeded`."""
        if type(self.random_state) is not int:
            raise OptionError("these settings have no seed yet: call seeded() first.")
        return self.random_state

    def to_config(self) -> dict[str, Any]:
        """Return what a model file keeps of the settings, as JSON values."""
        from diabolo.network.layers import Layer
        from diabolo.network.pairs import pair
        from diabolo.network.penalties import asked_for
        from diabolo.parts import Part

        values = {name: getattr(self, name) for name, known in SETTINGS.items() if known.types}
        config = {name: value.to_config() if isinstance(value, Part) else value for name, value in values.items()}
        both = pair(self.structure)
        if both is not None:
            config["structure"] = [[layer.to_config() for layer in part] for part in (both.encoder, both.decoder)]
            if both.regularizers:
                penalty = asked_for(self.penalty, self.structure)
                config["penalty"] = None if penalty is None else penalty.to_config()
        elif isinstance(self.structure, list):
            config["structure"] = [layer.to_config() if isinstance(layer, Layer) else layer for layer in self.structure]
        return config


# By name: what is known of each setting.
SETTINGS: dict[str, Setting] = {each.name: each.metadata[METADATA_KEY] for each in dataclasses.fields(Settings)}
DEFAULTS: dict[str, Any] = {each.name: each.default for each in dataclasses.fields(Settings)}

# The settings that are parts, such as "bottleneck".
PARTS: tuple[str, ...] = tuple(name for name, known in SETTINGS.items() if known.table)


def table_of(name: str) -> Mapping[str, Any]:
    """Return the kinds and classes of a setting that is a part."""
    import importlib

    module, _, table = SETTINGS[name].table.rpartition(".")
    found: Mapping[str, Any] = getattr(importlib.import_module(module), table)
    return found


def seed_of(random_state: object) -> int:
    """Return the seed that a whole number, a generator or None stands for. Raises OptionError for anything else."""
    import numpy as np

    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if is_whole(random_state, 0) and random_state < 2**32:
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**32))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint32))
    raise OptionError(
        f"random_state must be None, a whole number from 0 to 2**32 - 1 or a generator, got {random_state!r}."
    )
