#!/usr/bin/env bash
# Measures imitax on one GPU, from a bare checkout and a Python that has JAX, Equinox, Optax, h5py and matplotlib.
#
#     [PYTHON=python3] [WHEELS=FOLDER] bench/accelerator.sh OUT [options of accelerator.py]
#
# What is missing is installed into a folder of its own that is removed afterwards: from the wheels in WHEELS where that
# folder exists, else the packages of accelerator.txt from the network.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-python3}" out="${1:?usage: accelerator.sh OUT}"
site="$(mktemp -d)"
trap 'rm -rf "$site"' EXIT
install=("$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$site")
if [ -d "${WHEELS:-}" ]; then
    "${install[@]}" --no-index --no-cache-dir "$WHEELS"/*.whl
else
    "${install[@]}" -r "$here/accelerator.txt"
fi
PYTHONPATH="$site:$(dirname "$here")${PYTHONPATH:+:$PYTHONPATH}" "$python" "$here/accelerator.py" --out "$out" "${@:2}"
