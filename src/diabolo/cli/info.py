"""`diabolo info MODEL`: the content of a model file."""

import math
from typing import TYPE_CHECKING

from diabolo.cli.options import Json, ModelPath

if TYPE_CHECKING:
    from diabolo.model.model import Model
    from diabolo.network.layers.base import Step
    from diabolo.typing import JsonObject

WIDTH = 24  # of the widest bar


def info(model: ModelPath, json: Json = False) -> None:
    """Draw the network of MODEL as text and show how it was trained. Needs no TensorFlow."""
    from diabolo.model import file as modelfile

    trained = modelfile.load(model)
    if json:
        import json as writer

        print(writer.dumps(_facts(trained)))
    else:
        _show(trained, str(model))


def _facts(model: "Model") -> "JsonObject":
    network = model.network
    steps = network.steps
    return {
        "row_shape": list(model.adapter.row_shape),
        "row_dtype": model.adapter.dtype,
        "latent_dim": network.latent_dim,
        "reconstruction_loss": model.loss.kind,
        "bottleneck": network.bottleneck.to_config(),
        "corruption": model.record.settings["corruption"],
        "penalty": model.record.settings["penalty"],
        "detection": None if model.detection is None else model.detection.to_config(),
        "layers": [
            step.layer.to_config() | {"output_shape": list(step.output_shape), "weights": _weights(step)}
            for step in steps
        ],
        "heads": {name: step.layer.to_config() | {"weights": _weights(step)} for name, step in network.heads.items()},
        "weights": network.weight_count,
        "record": model.record.to_config(),
    }


def _weights(step: "Step") -> int:
    return sum(math.prod(shape) for shape in step.layer.weights(step.input_shape).values())


def _show(model: "Model", name: str) -> None:
    from diabolo.cli.show import bar, count, facts, print_tables, table
    from diabolo.network.optimizers import default_for

    network, record = model.network, model.record
    encoder, decoder = network.encoder_steps, network.decoder_steps
    widest = max(math.prod(step.output_shape) for step in (*encoder, *decoder))
    widest = max(widest, math.prod(network.input_shape))

    drawing = table(header=True)
    drawing.add_column("layer", no_wrap=True)
    drawing.add_column("", justify="center", no_wrap=True, style="blue", width=WIDTH)
    drawing.add_column("shape", justify="right", no_wrap=True)
    drawing.add_column("kind", no_wrap=True)
    drawing.add_column("weights", justify="right", no_wrap=True)

    def row(label: str, shape: tuple[int, ...], kind: str, weights: int = 0, style: str = "") -> None:
        # On a logarithmic scale: next to 784 features, 2 latents would be invisible.
        length = max(1, round(WIDTH * math.log1p(math.prod(shape)) / math.log1p(widest)))
        length += (WIDTH - length) % 2  # so that every bar has the same middle
        size = " x ".join(map(str, shape))
        drawing.add_row(label, bar(length), size, kind, f"{weights:,}" if weights else "", style=style)

    row("rows", network.input_shape, model.adapter.kind)
    for step in (*encoder, *decoder):
        settings = step.layer.to_config()
        extra = settings.get("activation") or settings.get("function") or ""
        kind = f"{step.layer.kind} {extra if extra != 'linear' else ''}".strip()
        row(step.layer.name, step.output_shape, kind, _weights(step), "bold" if step is encoder[-1] else "")
        for what, head in network.heads.items() if step is encoder[-1] else ():
            row(head.layer.name, head.output_shape, f"{head.layer.kind}, {what}", _weights(head))
    row("reconstruction", network.input_shape, model.loss.link)

    features = math.prod(model.adapter.row_shape)
    held = f" and {record.validation_rows:,} to validate" if record.validation_rows else ""
    settings = record.settings
    optimizer = settings["optimizer"] or default_for(network.bottleneck)
    losses = ", ".join(
        f"{label} {record.history[key][record.best_epoch - 1]:.4g}"
        for label, key in (("loss", "loss"), ("validation", "val_loss"))
        if key in record.history
    )
    about = {
        "takes": f"{model.adapter.describe()}, {model.adapter.dtype}",
        "latent": f"{count(network.latent_dim, 'number')} for {features:,}, 1 : {features / network.latent_dim:.3g}",
        "weights": f"{network.weight_count:,}",
        "loss": f"{model.loss.kind}: {record.loss_reason}",
        **_parts(model),
        **_detects(model),
        "trained on": f"{record.source}: {count(record.rows, 'row')}{held}",
        "with": f"{optimizer} {record.learning_rate:g} {settings['learning_rate_schedule']}, batch "
        f"{settings['batch_size']}, seed {settings['random_state']}",
        **_others(model),
        "epochs": f"{len(record.history['loss'])}, best {record.best_epoch} ({losses} nats a row)",
        "by": ", ".join(f"{package} {version}" for package, version in sorted(record.versions.items())),
    }
    print_tables(name, facts(about), "", drawing)


# Settings that have a line of their own, or that the network shows.
SHOWN = {"latent_dim", "structure", "activation", "bottleneck", "bottleneck_activation", "corruption", "penalty"} | {
    "reconstruction_loss",
    "optimizer",
    "learning_rate",
    "learning_rate_schedule",
    "epochs",
    "batch_size",
    "random_state",
}


def _others(model: "Model") -> dict[str, str]:
    """Return the other settings, where they differ from their defaults."""
    from diabolo.model.settings import DEFAULTS

    given = model.record.settings
    others = [f"{name}={value!r}" for name, value in given.items() if name not in SHOWN and value != DEFAULTS[name]]
    return {"settings": ", ".join(others)} if others else {}


def _detects(model: "Model") -> dict[str, str]:
    """Return the threshold of a detector."""
    detection = model.detection
    if detection is None:
        return {}
    rate = detection.false_alarm_rate
    share = f"contamination {detection.contamination:g}" if rate is None else f"false alarms {rate:g}"
    return {"detects": f"anomalies: rows with a score above {detection.threshold:.4g} ({share})"}


def _parts(model: "Model") -> dict[str, str]:
    """Return the parts besides a plain bottleneck, as they would be typed."""
    part, settings = model.network.bottleneck.to_config(), model.record.settings
    kind, shown = part.pop("kind"), {}
    if kind != "plain":
        written = ",".join(f"{name}={value}" for name, value in part.items() if name != "latent_dim")
        shown["bottleneck"] = f"{kind}:{written}" if written else kind
    for name in ("corruption", "penalty"):
        value = settings[name]
        if isinstance(value, dict):
            written = ",".join(f"{key}={each}" for key, each in value.items() if key != "kind")
            value = f"{value['kind']}:{written}" if written else value["kind"]
        if value is not None:
            shown[name] = value
    return shown
