#!/usr/bin/env bash
# What a merge runs. What stopped halfway is completed by the next run. PLAN: the digest of a plan that a guard refused
# and that somebody has looked at.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
flotilla up --stack "$STACK" --yes ${PLAN:+--plan "$PLAN"}
