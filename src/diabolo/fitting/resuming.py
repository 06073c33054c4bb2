"""The settings to continue a run with: those that it was begun with, and more epochs if they are asked for."""

import json
from collections.abc import Mapping
from pathlib import Path

from diabolo.errors import CheckpointError, OptionError
from diabolo.model.record import arguments
from diabolo.model.settings import AUTO, DEFAULTS, PARTS, SETTINGS, Settings
from diabolo.network.layers import LAYERS
from diabolo.training import runs


def resumed(given: Mapping[str, object], about: runs.About, folder: str | Path) -> Settings:
    """Return the settings to continue a run with: those that it was begun with, and the epochs that are asked for.

    Args: given: settings that the user gives again, by name; about: the run; folder: of the run.
    Raises: CheckpointError for a setting that is given and was another, or for fewer epochs; OptionError.
    """
    asked, before = Settings.of(given), about["settings"]
    config = (asked.seeded() if "random_state" in given else asked).to_config()
    # optimizer="auto" is chosen once: a run keeps what was chosen, which always is a name and a rate.
    chosen = asked.optimizer == AUTO and before.get("learning_rate") is not None
    free = {"epochs", "optimizer"} if chosen else {"epochs"}
    for name in (name for name in config if name in given and name not in free):
        was, now = before.get(name, DEFAULTS[name]), json.loads(json.dumps(config[name]))
        if now != was:
            raise CheckpointError(
                f"{folder} was begun {f'without {name}' if was is None else f'with {name} {was!r:.60}'}, got "
                f"{now!r:.60}: leave {name} ({option_of(name)}) out to continue, or choose another folder for run "
                f"(--run)."
            )
    most = runs.epochs_of(about)
    if "epochs" in given and asked.most_epochs < most:
        raise CheckpointError(
            f"{folder} trains for {most} epochs, got {asked.most_epochs}: leave epochs (--epochs) out to continue, "
            f"give more, such as epochs={2 * most} (--epochs {2 * most}), or choose another folder for run (--run)."
        )
    own = {name: value for name, value in given.items() if name in ("structure", *PARTS)}  # may have classes of a user
    known = Settings().to_config() | before | ({"structure": "dense"} if "structure" in own else {})
    try:
        again = arguments(known, LAYERS)
    except OptionError as error:
        raise CheckpointError(f"{folder} has layers of your own: give the same structure again. ({error})") from error
    more = {"epochs": max(asked.most_epochs, most) if "epochs" in given else most}
    return Settings.of(again | own | more | {"memory": given.get("memory") or about.get("memory") or None})


def option_of(name: str) -> str:
    """Return the option of a setting on the command line."""
    return next(iter(SETTINGS[name].names), f"--{name.replace('_', '-')}")
