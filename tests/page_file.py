"""Reads a page of `diabolo report` as a browser would, without the code that wrote it."""

import base64
import gzip
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

TYPES = {"f2": "<f2", "f4": "<f4", "f8": "<f8", "u1": "u1", "u2": "<u2", "u4": "<u4", "i4": "<i4"}


class PageFile(HTMLParser):
    """A page. Attributes: text: the whole; header; contents: the bytes of each block, as they are in the page."""

    def __init__(self, page):
        super().__init__()
        self.text = page if isinstance(page, str) else Path(page).read_text("utf-8")
        self.header, self.contents, self.tags, self._open = None, {}, [], None
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.tags.append((tag, known))
        if tag == "script":
            self._open = known

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, text):
        if self._open is None:
            return
        if self._open.get("id") == "diabolo-header":
            self.header = json.loads(text)
        elif "data-block" in self._open:
            self.contents[self._open["data-block"]] = base64.b64decode(text, validate=True)

    def block(self, name):
        """Return the values of a block."""
        return read_block(self.header["blocks"][name], self.contents[name])


def read_block(facts, content):
    content = gzip.decompress(content) if facts["gzip"] else content
    if facts["type"] == "json":
        return json.loads(content)
    if facts["type"] == "bytes":
        return content
    codes = np.frombuffer(content, TYPES[facts["type"]]).reshape(facts["shape"])
    values = codes
    if "scale" in facts:
        low, high = (np.array(facts["scale"][end]) for end in ("low", "high"))
        values = low + codes / facts["scale"]["most"] * (high - low)
    if "missing" in facts:
        values = np.where(codes == facts["missing"], np.nan, values)
    return values
