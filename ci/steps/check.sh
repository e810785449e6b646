#!/usr/bin/env bash
# What a pull request runs by default: its own code, without any secret. The stack file and its manifests are checked, and
# the policies judge a plan against nothing: every cluster is one that doesn't answer. Exit: that of the first that fails.
set -euo pipefail
: "${STACK:?name the stack in STACK}"
if [ -n "${PULUMI_CONFIG_PASSPHRASE:-}${PULUMI_ACCESS_TOKEN:-}" ]; then
  echo "error: this step runs the pull request's code, and the job has the stack's secrets; nothing was run" >&2
  exit 1
fi
out=$(mktemp -d)
offline="$STACK-offline"
trap 'rm -rf "$out" "stacks/Pulumi.$offline.yaml"' EXIT
code=0
python ci/offline.py --stack "$STACK" --as "$offline" --folder "$out/kubeconfigs" || code=$?
if [ "$code" != 0 ] && [ "$code" != 3 ]; then exit "$code"; fi
flotilla validate --stack "$offline"
if [ "$code" = 3 ]; then exit 0; fi
mkdir "$out/state"
PULUMI_BACKEND_URL="file://$out/state" PULUMI_CONFIG_PASSPHRASE=none FLOTILLA_WITHOUT_KEYS=1 \
  flotilla policy --stack "$offline" --engine embedded
