#!/usr/bin/env bash
# The step of the schedule: keeps one issue per stack, open while there is drift. Exit code: that of `flotilla drift`.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
. "$(dirname "$0")/quietly.sh"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
code=0
flotilla drift --stack "$STACK" --format markdown >"$out/report" || code=$?
quietly "$out/report"
python ci/forge.py issue --stack "$STACK" --outcome "$code" --report "$out/report"
exit "$code"
