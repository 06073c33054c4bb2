"""`diabolo verify MODEL`: is it a valid model file, and the expected one?"""

from typing import Annotated

import typer

from diabolo.cli.options import Json, ModelPath


def verify(
    model: ModelPath,
    expect_sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Refuse every file except the one with this SHA-256.")
    ] = None,
    json: Json = False,
) -> None:
    """Check MODEL as every command does before it uses a model, and show what was checked. Needs no TensorFlow."""
    from diabolo.cli.show import count, facts, print_tables
    from diabolo.model import file as modelfile

    trained, version, size, sha256 = modelfile.load_with_sha256(model, expect_sha256=expect_sha256)
    weights = sum(weight.size for weight in trained.weights.values())
    writer_version = trained.record.versions.get("diabolo", "unknown")
    checked = {
        "size": f"{size:,} bytes, at most {modelfile.MAX_FILE:,}",
        "JSON": f"strict; no duplicate and no unknown keys; at most {modelfile.MAX_DEPTH} levels deep",
        "network": f"{count(len(trained.network.steps), 'layer')}, all of known kinds; {weights:,} weights",
        "shapes": "the tensors have the shapes of the layers; no gap, no overlap",
        "memory": f"at most {modelfile.MAX_NUMBERS_A_ROW:,} numbers per row in a layer",
        "numbers": "all finite",
        "checksum": "matches",
        "format": f"version {version}, written by Diabolo {writer_version}",
        "sha256": sha256 + (", as expected" if expect_sha256 else ""),
    }
    if json:
        import json as writer

        print(writer.dumps({"valid": True, "sha256": sha256, "bytes": size}))
        return
    print_tables(facts(checked), "", "valid")
