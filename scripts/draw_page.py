"""Draw the README's first picture, the page of a model in a browser: `python scripts/draw_page.py`.

It trains on digits as `diabolo fit digits` does, half a minute. Needs `pip install '.[test]'` and
`apt-get install chromium`.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from diabolo import Autoencoder, datasets

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "page.png"
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
PLACE = 0.58, 0.44  # on the map, where the pointer is
SIZE = {"width": 1280, "height": 760}


def main() -> None:
    """Train, write the page, open it, drag to a place, and keep what is seen."""
    model = Autoencoder(random_state=0, verbose=False).fit(datasets.digits().x_train, source="digits")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = model.report("digits", Path(folder) / "digits", title="digits")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        tab = browser.new_page(viewport=SIZE)
        tab.goto(f"{page.as_uri()}#explore")
        tab.wait_for_function("() => globalThis.diabolo")
        tab.wait_for_timeout(1_000)
        box = tab.locator('[role="application"][aria-label^="Map of"]').bounding_box()
        tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
        tab.mouse.down()
        tab.mouse.move(box["x"] + PLACE[0] * box["width"], box["y"] + PLACE[1] * box["height"], steps=8)
        tab.mouse.up()
        tab.wait_for_timeout(1_000)
        tab.evaluate("() => document.activeElement.blur()")  # the ring around what has the keyboard
        seen = Image.open(io.BytesIO(tab.screenshot()))
        browser.close()
    seen.convert("RGB").quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
