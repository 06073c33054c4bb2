"""Makes the environment in which Diabolo runs beside its peers: `python -m benchmarks.environment peers`.

The peers do not agree on what they want beside them, so that the order of installing matters: PyTorch in the very
version, then what works with the newest of everything, then what was written for older versions and works all the same.
"""

import argparse
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the virtual environment; must not exist")
    folder: Path = parser.parse_args().folder
    if folder.exists():
        sys.exit(f"{folder} exists: choose another, or remove it.")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    for line in (ROOT / "benchmarks" / "requirements.txt").read_text().splitlines():
        packages = line.partition("#")[0].split()
        if packages:
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
            subprocess.run(install, cwd=ROOT, check=True)
    print(f"{python} -m benchmarks.training")


if __name__ == "__main__":
    main()
