#!/usr/bin/env bash
# What a pull request runs: the plan and the policies' verdicts, as one comment. Exit: that of `flotilla preview`.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
code=0
flotilla preview --stack "$STACK" >"$out/plan" 2>"$out/notes" || code=$?
cat "$out/plan" "$out/notes"
python ci/forge.py comment --stack "$STACK" --outcome "$code" --plan "$out/plan" --notes "$out/notes"
exit "$code"
