#!/usr/bin/env bash
# Writes the plan and the policies' verdicts into one comment. Exit code: that of `flotilla preview`. Run it in a checkout
# of the base branch. PROPOSAL names a checkout of the pull request, from which only workloads and manifests are copied.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
. "$(dirname "$0")/quietly.sh"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
code=0
touch "$out/plan" "$out/notes"
if [ -n "${PROPOSAL:-}" ]; then
  python ci/proposal.py --from "$PROPOSAL" --stack "$STACK" >/dev/null 2>"$out/notes" || code=$?
fi
if [ "$code" = 0 ]; then
  flotilla preview --stack "$STACK" >"$out/plan" 2>"$out/notes" || code=$?
fi
quietly "$out/plan" "$out/notes"
python ci/forge.py comment --stack "$STACK" --outcome "$code" --plan "$out/plan" --notes "$out/notes"
exit "$code"
