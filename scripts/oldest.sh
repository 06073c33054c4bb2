#!/usr/bin/env bash
# Check the lower bounds of pyproject.toml: install the oldest versions of the dependencies that it allows, in a fresh
# environment, and run scripts/smoke.py there.
#
#   scripts/oldest.sh [--newest] [PYTHON]
#
# PYTHON is the interpreter to use, by default python3.11. --newest installs the newest versions instead. Only wheels
# are installed: a version that has none for this Python is not a lower bound that works.
set -euo pipefail

resolution=lowest-direct
if [ "${1:-}" = --newest ]; then
    resolution=highest
    shift
fi
python=$(command -v "${1:-python3.11}") || { echo "${1:-python3.11} is not installed: give a Python 3.11 or newer." >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check uv
install=("$folder/env/bin/uv" pip install --quiet --python "$folder/env/bin/python")
"${install[@]}" --resolution "$resolution" --only-binary :all: --extra all --requirements "$root/pyproject.toml"
"${install[@]}" --no-deps "$root"
"$folder/env/bin/uv" pip list --python "$folder/env/bin/python"

mkdir "$folder/work"
cd "$folder/work"
"$folder/env/bin/python" "$root/scripts/smoke.py"
