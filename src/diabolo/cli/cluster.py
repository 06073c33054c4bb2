"""`diabolo cluster check`: what a Ray cluster has, and what would fail on it."""

from typing import Annotated

import typer

from diabolo.cli.options import Json

app = typer.Typer(name="cluster", help="Look at a Ray cluster.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look at a Ray cluster."""


@app.command()
def check(
    cluster: Annotated[
        str,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            envvar="RAY_ADDRESS",
            help="HOST:PORT of the head node; auto, the one of this machine; or local, processes that are started for "
            "it.",
        ),
    ] = "auto",
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder, or an address such as s3://bucket/folder, that all nodes should read and write: a few "
            "small files are written there and deleted.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show nodes, versions that differ, shared storage, clocks and access; exit code 2 if something would fail."""
    from diabolo.cli.show import count, print_tables, table
    from diabolo.cli.writing import as_json
    from diabolo.cluster.check import SAME, SIMILAR
    from diabolo.cluster.check import check as look

    found = look(cluster, storage=storage)
    if json:
        print(as_json(found._asdict()))
        raise typer.Exit(2 if found.problems else 0)
    shown = table(header=True)
    for head in ("node", "CPUs", "GPUs", "memory", "versions"):
        shown.add_column(head, justify="right" if head in ("CPUs", "GPUs", "memory") else "left")
    for node in found.nodes:
        differ = [
            f"{name} {node.versions[name] or 'missing'} (here {found.versions[name] or 'missing'})"
            for name in (*SAME, *SIMILAR)
            if node.versions and node.versions[name] != found.versions[name]
        ]
        versions = ", ".join(differ) or ("as here" if node.versions else "no answer")
        shown.add_row(node.address, str(node.processors), str(node.gpus), f"{node.memory / 1e9:.0f} GB", versions)
    here = ", ".join(f"{name} {found.versions[name] or 'missing'}" for name in (*SAME, *SIMILAR))
    lines = [f"here: {here}"]
    if found.storage is not None and not any(node.storage for node in found.nodes):
        lines.append(f"storage: {found.storage} is read and written by every node")
    if not any("clock" in each for each in found.problems):
        lines.append("clocks: agree")
    lines.append(f"access: {'by a token' if found.authenticated else 'open to whoever reaches the ports'}")
    lines += [f"note: {each}" for each in found.notes]
    lines += [f"problem: {each}" for each in found.problems]
    lines.append(count(len(found.problems), "problem") if found.problems else "no problem found")
    print_tables(shown, *lines)
    if found.problems:
        raise typer.Exit(2)
