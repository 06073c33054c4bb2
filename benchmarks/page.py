"""How large the page of a model is, and how fast in a browser: `python -m benchmarks.page`.

Chromium without a graphics card draws in software, which is the slowest case. A drag step is one movement of the
pointer with all that follows: the latents of the place, the decoder, 32 sliders, the picture. Needs
`pip install '.[test]'` and `apt-get install chromium`. Order: the browser, the models, the figures, the table.
"""

import argparse
import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diabolo import Autoencoder, datasets
from diabolo.page import document, views

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
MAP = '[role="application"][aria-label^="Map of"]'
FIRST = """() => {
  const look = () => {
    if (globalThis.diabolo && document.querySelector(`MAP`)) globalThis.first = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}""".replace("MAP", MAP)
STEPS = """async () => {
  const host = document.querySelector(`MAP`), box = host.getBoundingClientRect();
  host.setPointerCapture = () => {};
  const fire = (type, x, y) => host.dispatchEvent(new PointerEvent(type, {
    clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true, button: 0, buttons: 1 }));
  const [x, y] = [box.width / 2, box.height / 2], far = 0.7 * Math.min(x, y), times = [];
  fire("pointerdown", x, y);
  for (let step = 0; step < 400; step++) {
    await new Promise(requestAnimationFrame);
    const turn = step * 0.05, away = far * (0.3 + 0.7 * Math.abs(Math.sin(step * 0.013)));
    const start = performance.now();
    fire("pointermove", x + away * Math.cos(turn), y + away * Math.sin(turn));
    for (let wait = 0; wait < 5; wait++) await Promise.resolve();
    times.push(performance.now() - start);
  }
  fire("pointerup", x, y);
  times.sort((a, b) => a - b);
  return [times[200], times[395]];
}""".replace("MAP", MAP)
FRAMES = """async () => {
  const host = document.querySelector(`MAP`), box = host.getBoundingClientRect(), seconds = 4;
  const end = performance.now() + 1000 * seconds;
  let frames = 0;
  while (performance.now() < end) {
    await new Promise(requestAnimationFrame);
    host.dispatchEvent(new WheelEvent("wheel", { deltaY: frames++ % 40 < 20 ? -8 : 8, bubbles: true, cancelable: true,
      clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
  }
  return frames / seconds;
}""".replace("MAP", MAP)

Figures = dict[str, Any]


def measure(browser: Any, address: str) -> Figures:
    """Return the figures of a page that begins with the explorer."""
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.set_default_timeout(120_000)
    tab.add_init_script(f"({FIRST})()")
    tab.goto(address)
    tab.wait_for_function("() => globalThis.first")
    tab.wait_for_timeout(1_000)
    half, most = tab.evaluate(STEPS)
    figures = {"first": tab.evaluate("() => globalThis.first"), "step": half, "worst": most}
    figures["frames"] = tab.evaluate(FRAMES)
    tab.close()
    return figures


def pages(folder: Path) -> list[tuple[str, Callable[[], Path]]]:
    """Return what each page is, and how it is written."""
    digits = datasets.digits()
    rows = np.concatenate([digits.x_train, digits.x_test])
    rng = np.random.default_rng(0)

    def of_digits() -> Path:
        model = Autoencoder(32, epochs=3, random_state=0, verbose=False).fit(digits.x_train, evaluate=False)
        return views.report(model.model_, "digits", folder / "digits.html", view="explore")

    def of_convolutions() -> Path:
        model = Autoencoder(16, structure="conv 32-64, dense 256", epochs=1, random_state=0, verbose=False)
        model.fit(digits.x_train[:2000], evaluate=False)
        return views.report(model.model_, rows[:1000], folder / "conv.html", view="explore")

    def of_table(count: int) -> Callable[[], Path]:
        def write() -> Path:
            table = rng.normal(size=(count, 5)) @ rng.normal(size=(5, 20)) + 0.1 * rng.normal(size=(count, 20))
            model = Autoencoder(5, epochs=2, random_state=0, verbose=False).fit(table[:20_000], evaluate=False)
            return views.report(model.model_, table, folder / f"{count}.html", rows=None, view="explore")

        return write

    return [
        ("10,000 digits, 32 latents", of_digits),
        ("1,000 digits, convolutions", of_convolutions),
        ("a table, 100,000 x 20", of_table(100_000)),
    ]


def served(browser: Any) -> Figures:
    """Return the figures of a million rows from a server."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(1_000_000, 5)) @ rng.normal(size=(5, 20)) + 0.1 * rng.normal(size=(1_000_000, 20))
    model = Autoencoder(5, epochs=2, random_state=0, verbose=False).fit(table[:20_000], evaluate=False)
    server = views.serve(model.model_, table).start()
    try:
        return measure(browser, server.url)
    finally:
        server.close()


def main() -> None:
    """Print a line for each page."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    asked = parser.parse_args()
    empty = len(gzip.compress(document.template().encode()))
    print(f"without data: {empty / 1000:.0f} kB compressed\n")
    print("| page | MB | first drag possible, s | drag step p50, ms | p99, ms | frames/s |\n|---|---|---|---|---|---|")

    def line(name: str, size: str, found: Figures) -> None:
        figures = f"{found['first'] / 1000:.2f} | {found['step']:.1f} | {found['worst']:.1f} | {found['frames']:.0f}"
        print(f"| {name} | {size} | {figures} |", flush=True)

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked.chromium, args=FLAGS)
        for name, write in pages(Path(folder)):
            path = write()
            line(name, f"{path.stat().st_size / 1e6:.1f}", measure(browser, path.as_uri()))
        line("a table, 1,000,000 x 20, served", "", served(browser))
        browser.close()


if __name__ == "__main__":
    main()
