#!/usr/bin/env bash
# The step of every pull request. It runs the pull request's own code without any secret: it checks the stack file and its
# manifests, and checks a plan without any cluster against the policies. Exit code: that of the first command that fails.
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
