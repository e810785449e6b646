#!/usr/bin/env bash
# What a pull request runs by default: its own code, without any secret. Exit: that of `flotilla validate`.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
if [ -n "${PULUMI_CONFIG_PASSPHRASE:-}${PULUMI_ACCESS_TOKEN:-}" ]; then
  echo "error: this step runs the pull request's code, and the job has the stack's secrets; nothing was run" >&2
  exit 1
fi
flotilla validate --stack "$STACK"
