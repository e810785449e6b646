#!/usr/bin/env bash
# The step of a merge. If it stops halfway, the next run completes it. PLAN: the digest of a plan that a guard refused and
# that a person has reviewed.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
flotilla up --stack "$STACK" --yes ${PLAN:+--plan "$PLAN"}
