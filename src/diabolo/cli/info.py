"""`diabolo info MODEL`: what is in a model file."""

import math
from typing import Any

from diabolo.cli.options import Json, ModelPath

WIDTH = 24  # of the widest bar


def info(model: ModelPath, json: Json = False) -> None:
    """Draw the network of MODEL as text and tell how it was trained. Needs no TensorFlow."""
    from diabolo import modelfile

    trained = modelfile.load(model)
    if json:
        import json as writer

        print(writer.dumps(_facts(trained)))
    else:
        _show(trained, str(model))


def _facts(model: Any) -> dict[str, Any]:
    network = model.network
    steps = [*network.encoder_steps(), *network.decoder_steps()]
    return {
        "row_shape": list(model.adapter.row_shape),
        "row_dtype": model.adapter.dtype,
        "latent_dim": network.latent_dim,
        "reconstruction_loss": model.loss.kind,
        "layers": [
            step.layer.to_config() | {"output_shape": list(step.output_shape), "weights": _weights(step)}
            for step in steps
        ],
        "weights": sum(map(_weights, steps)),
        "record": model.record.to_config(),
    }


def _weights(step: Any) -> int:
    return sum(math.prod(shape) for shape in step.layer.weights(step.input_shape).values())


def _show(model: Any, name: str) -> None:
    from rich.console import Console
    from rich.table import Table

    network, record = model.network, model.record
    encoder, decoder = network.encoder_steps(), network.decoder_steps()
    widest = max(math.prod(step.output_shape) for step in (*encoder, *decoder))
    widest = max(widest, math.prod(network.input_shape))

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("layer", no_wrap=True)
    table.add_column("", justify="center", no_wrap=True, style="blue", width=WIDTH)
    table.add_column("shape", justify="right", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)

    def row(label: str, shape: tuple[int, ...], kind: str, weights: str, style: str = "") -> None:
        # By the logarithm: beside 784 features, 2 latents would not be seen at all.
        bar = max(1, round(WIDTH * math.log1p(math.prod(shape)) / math.log1p(widest)))
        bar += (WIDTH - bar) % 2  # so that every bar has the same middle
        table.add_row(label, "█" * bar, " x ".join(map(str, shape)), kind, weights, style=style)

    row("rows", network.input_shape, model.adapter.kind, "")
    for step in (*encoder, *decoder):
        settings = step.layer.to_config()
        extra = settings.get("activation") or settings.get("function") or ""
        kind = f"{step.layer.kind} {extra if extra != 'linear' else ''}".strip()
        count = _weights(step)
        waist = "bold" if step is encoder[-1] else ""
        row(step.layer.name, step.output_shape, kind, f"{count:,}" if count else "", waist)
    row("reconstruction", network.input_shape, model.loss.link, "")

    total = sum(math.prod(shape) for shape in network.weights().values())
    features = math.prod(network.input_shape)
    facts = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row("takes", f"{model.adapter.describe()}, {model.adapter.dtype}")
    facts.add_row("latent", f"{network.latent_dim} numbers for {features:,}, 1 : {features / network.latent_dim:.3g}")
    facts.add_row("weights", f"{total:,}")
    facts.add_row("loss", f"{model.loss.kind}: {record.loss_reason}")
    held = f" and {record.validation_rows:,} to validate" if record.validation_rows else ""
    facts.add_row("trained on", f"{record.source}: {record.rows:,} rows{held}")
    settings = record.settings
    facts.add_row(
        "with",
        f"{settings['optimizer']} {record.learning_rate:g} {settings['learning_rate_schedule']}, batch "
        f"{settings['batch_size']}, seed {settings['random_state']}",
    )
    losses = ", ".join(
        f"{label} {record.history[key][record.best_epoch - 1]:.4g}"
        for label, key in (("loss", "loss"), ("validation", "val_loss"))
        if key in record.history
    )
    facts.add_row("epochs", f"{len(record.history['loss'])}, best {record.best_epoch} ({losses} nats a row)")
    facts.add_row("by", ", ".join(f"{package} {version}" for package, version in sorted(record.versions.items())))
    console = Console(highlight=False)
    console.print(name, markup=False, style="bold", soft_wrap=True)
    console.print(facts)
    console.print()
    console.print(table)
