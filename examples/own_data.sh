#!/usr/bin/env bash
# From a CSV file of a machine without a simulator to predictions, in six commands and a fresh environment:
#   bash examples/own_data.sh [FOLDER]
# FOLDER is a temporary one by default. PYTHON names the interpreter, STEPS the updates. With READY=1 imitax is there
# already, and the first two commands are left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
python=${PYTHON:-python3}
steps=${STEPS:-5000}

mkdir -p "$folder"
cd "$folder"
"$python" "$here/own_data.py" log.csv # in place of your own: 14 observations, 7 actions, no reward

run() {
  printf '\n$ %s\n' "$*"
  "$@"
}

if [ -z "${READY:-}" ]; then
  run "$python" -m venv venv
  run venv/bin/python -m pip install --quiet --disable-pip-version-check "$here/.."
  python=venv/bin/python
fi
limits=(--action-low -80 -60 -60 -40 -20 -20 -0.5 --action-high 80 60 60 40 20 20 0.5)
run "$python" -m imitax.cli datasets doctor log.csv
run "$python" -m imitax.cli train bc --demos log.csv --validation-episodes 3 "${limits[@]}" \
  --steps "$steps" --eval-every "$((steps / 5))" --checkpoint-every "$steps" --out run
run "$python" -m imitax.cli eval run --which best
run "$python" -c '
import imitax
observations = imitax.load("log.csv").episodes[0].observations[:3]  # in place of what your machine sees now
print(imitax.load_policy("run").predict(observations).round(3))'
