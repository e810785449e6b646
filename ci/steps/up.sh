#!/usr/bin/env bash
# What a merge runs. What stopped halfway is completed by the next run.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
flotilla up --stack "$STACK" --yes
