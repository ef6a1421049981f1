#!/usr/bin/env bash
# From nothing to a policy that runs without JAX, in ten commands and a fresh environment:
#   bash examples/newcomer.sh [FOLDER]
# A CSV file is looked at, two trainings learn from it, a comparison and a page say which is better, and one policy is exported.
# FOLDER is a temporary one by default. PYTHON names the interpreter, STEPS the updates, SEEDS the seeds. With READY=1 imitax
# is there already, and the first two commands are left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
python=${PYTHON:-python3}
steps=${STEPS:-5000}
read -ra seeds <<<"${SEEDS:-0 1 2 3}"

mkdir -p "$folder"
cd "$folder"
"$python" "$here/own_data.py" log.csv # in place of your own: 14 observations, 7 actions, no reward

run() {
  printf '\n$ %s\n' "$*"
  "$@"
}

if [ -z "${READY:-}" ]; then
  run "$python" -m venv venv
  run venv/bin/python -m pip install --quiet --disable-pip-version-check "$here/..[report]"
  python=venv/bin/python
fi
given=(--demos log.csv --action-low -80 -60 -60 -40 -20 -20 -0.5 --action-high 80 60 60 40 20 20 0.5 --seeds "${seeds[@]}"
  --validation-episodes 3 --steps "$steps" --eval-every "$((steps / 5))" --checkpoint-every "$steps")
run "$python" -m imitax.cli datasets doctor log.csv
run "$python" -m imitax.cli train bc "${given[@]}" --out small --policy.hidden 16 16
run "$python" -m imitax.cli train bc "${given[@]}" --out large
run "$python" -m imitax.cli compare small=small large=large
run "$python" -m imitax.cli report small=small large=large --out report.html
run "$python" -m imitax.cli export large --which best --out robot
# From here on NumPy is enough. Copy the folder `robot` to where it is needed.
run "$python" robot/imitax_policy.py robot/policy.npz
run "$python" -c '
import sys
sys.path.insert(0, "robot")
from imitax_policy import Policy
print(Policy("robot/policy.npz")([0.1] * 14).round(3))  # in place of what your machine sees now
assert "jax" not in sys.modules'
