"""`diabolo explore MODEL [DATA]`: the latent space of a model in the browser."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.options import DataDir, Force, ModelPath
from diabolo.cli.reading import OF_KNOWN_COLUMNS, reads
from diabolo.cli.report import MaybeData, Shown, read_model, shows, write

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

Save = Annotated[Path | None, typer.Option("--save", metavar="PAGE", help="Write the page to a .html file instead.")]
Port = Annotated[int, typer.Option(help="Where to listen on 127.0.0.1. Default: any free port.", show_default=False)]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open the browser.")]


@reads(*OF_KNOWN_COLUMNS)
@shows()
def explore(
    *,
    how: "Reading",
    shown: Shown,
    model: ModelPath,
    data: MaybeData = None,
    save: Save = None,
    port: Port = 0,
    browser: Browser = True,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Open the latent space of MODEL in the browser: drag through it, and see the decoded row of each place.

    This machine serves the page until Ctrl-C, at an address that nobody else knows. Nothing is sent anywhere.
    """
    from diabolo.errors import OptionError

    if not 0 <= port < 1 << 16:
        raise OptionError(f"--port must be from 0 to 65535, got {port}.")
    if save is not None:
        if port:
            raise OptionError("--port has no effect on a file: leave --port or --save out.")
        write(model, data, save, how, shown, view="explore", data_dir=data_dir, force=force)
        return
    from diabolo.page import views

    trained, most = read_model(model, data, how, shown, data_dir), shown.most(None)
    asked = shown.asked(model) | {"encoder": True}
    server = views.serve(trained, data, rows=most, reading=how, data_dir=data_dir, port=port, **asked)
    print(server.url, flush=True)
    opened = browser and views.open_in_browser(server.url)
    where = "opened in the browser" if opened else "open this address in a browser"
    print(f"diabolo: {where}; Ctrl-C stops it.", file=sys.stderr)
    try:
        server.run()
    finally:
        server.close()
