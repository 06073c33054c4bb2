"""`diabolo verify MODEL`: is the file sound, and is it the one that is meant?"""

from typing import Annotated

import typer

from diabolo.cli.options import Json, ModelPath


def verify(
    model: ModelPath,
    expect_sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Refuse any file but the one with this SHA-256.")
    ] = None,
    json: Json = False,
) -> None:
    """Check MODEL as every command does before it builds anything, and say what was checked. Needs no TensorFlow."""
    from diabolo.cli.show import count, facts, print_tables
    from diabolo.model import file as modelfile

    trained, version, size, sha256 = modelfile.load_with_sha256(model, expect_sha256=expect_sha256)
    weights = sum(weight.size for weight in trained.weights.values())
    writer_version = trained.record.versions.get("diabolo", "unknown")
    checked = {
        "size": f"{size:,} bytes, of at most {modelfile.MAX_FILE:,}",
        "JSON": f"strict; no key twice, none unknown; nested at most {modelfile.MAX_DEPTH} deep",
        "network": f"{count(len(trained.network.steps), 'layer')}, all in the table of layers; {weights:,} weights",
        "shapes": "those of the tensors follow from the layers; no gap, no overlap",
        "memory": f"no layer holds more than {modelfile.MAX_NUMBERS_A_ROW:,} numbers of a row",
        "numbers": "all finite",
        "checksum": "fits",
        "format": f"version {version}, written by Diabolo {writer_version}",
        "sha256": sha256 + (", as expected" if expect_sha256 else ""),
    }
    if json:
        import json as writer

        print(writer.dumps({"sound": True, "sha256": sha256, "bytes": size}))
        return
    print_tables(facts(checked), "", "sound")
