"""Makers of files that come from an enemy: a sound model file taken apart, changed, and put together again."""

import json
import struct

from diabolo import modelfile


def parts(content):
    """Return (header, config, tensors) of a model file."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["diabolo"]), content[8 + length :]


def rebuild(header, config, tensors, *, sign=True):
    """Return a file of these parts, with a checksum that fits unless `sign` is False."""
    config = dict(config)
    if sign:
        config.pop("sha256", None)
        config["sha256"] = modelfile._checksum(config, tensors)
    header = header | {"__metadata__": {"diabolo": json.dumps(config)}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors
