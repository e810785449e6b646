#!/usr/bin/env bash
# The plan and the policies' verdicts, as one comment. Exit: that of `flotilla preview`. Run it from a checkout of the
# base branch: PROPOSAL names the pull request's, of which only workloads and their manifests are taken.
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
