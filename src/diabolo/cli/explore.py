"""`diabolo explore MODEL [DATA]`: the latent space of a model in the browser."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli import report as reporting
from diabolo.cli.options import DataDir, Force, ModelPath, names
from diabolo.cli.reading import OF_KNOWN_COLUMNS, reads
from diabolo.cli.report import Label, Maps, MaybeData, OnlyModel, WithEncoder, Without

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

Save = Annotated[Path | None, typer.Option("--save", metavar="PAGE", help="Write the page to a .html file instead.")]
ExploredRows = Annotated[
    int | None,
    typer.Option(help="The most rows, spread evenly over DATA. Default: all, with --save 10,000; 0: all."),
]
Port = Annotated[int, typer.Option(help="Where to listen on 127.0.0.1. Default: any free port.", show_default=False)]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open the browser.")]


@reads(*OF_KNOWN_COLUMNS)
def explore(
    *,
    how: "Reading",
    model: ModelPath,
    data: MaybeData = None,
    save: Save = None,
    rows: ExploredRows = None,
    label: Label = None,
    maps: Maps = None,
    without: Without = None,
    only_model: OnlyModel = False,
    encoder: WithEncoder = False,
    port: Port = 0,
    browser: Browser = True,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Open the latent space of MODEL in the browser: drag through it, and see the decoded row of each place.

    This machine serves the page until Ctrl-C, at an address that nobody else knows. Nothing is sent anywhere.
    """
    from diabolo.errors import OptionError

    if save is not None:
        if port:
            raise OptionError("--port has no effect on a file: leave --port or --save out.")
        reporting.write(
            model,
            data,
            save,
            how,
            view="explore",
            rows=rows,
            label=label,
            maps=maps,
            without=without,
            only_model=only_model,
            encoder=encoder,
            data_dir=data_dir,
            force=force,
        )
        return
    from diabolo.cli.checks import check_data, check_swapped
    from diabolo.model import file as modelfile
    from diabolo.page import views

    if not 0 <= port < 1 << 16:
        raise OptionError(f"--port must be from 0 to 65535, got {port}.")
    if data is not None:
        check_swapped(model, data)
    elif label is not None or maps is not None or rows is not None:
        raise OptionError("--label, --map and --rows need rows: add DATA after MODEL.")
    trained = modelfile.load(model)
    if data is not None:
        check_data(data, how, data_dir, fitted=True)
    server = views.serve(
        trained,
        data,
        rows=reporting.most(rows, None),
        labels=label,
        reading=how,
        data_dir=data_dir,
        port=port,
        maps=names(maps),
        without=names(without),
        only_model=only_model,
        encoder=True,
        file=model.name,
    )
    print(server.url, flush=True)
    opened = browser and views.open_in_browser(server.url)
    where = "opened in the browser" if opened else "open this address in a browser"
    print(f"diabolo: {where}; Ctrl-C stops it.", file=sys.stderr)
    try:
        server.run()
    finally:
        server.close()
