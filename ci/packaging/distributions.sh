#!/usr/bin/env bash
# Build the distributions into dist/, and once more elsewhere; check that both builds have the same bytes and pass the
# published checks. Needs the programs of ci/packaging/tools.txt.
set -euo pipefail
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
rm -rf dist
python -m build --no-isolation --outdir dist .
python -m build --no-isolation --outdir "$again" .
diff --brief --recursive dist "$again"
twine check --strict dist/*
check-wheel-contents dist/*.whl
sha256sum dist/*
