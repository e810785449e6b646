# shellcheck shell=bash
# Prints files. They contain texts from clusters and pull requests, and GitHub's runner would run workflow commands in
# them. So command processing is stopped while they are printed. The token that resumes it can't be guessed.
quietly() {
  local word
  word=$(python -c 'import secrets; print(secrets.token_hex(16))')
  if [ -n "${GITHUB_ACTIONS:-}" ]; then echo "::stop-commands::$word"; fi
  cat "$@"
  if [ -n "${GITHUB_ACTIONS:-}" ]; then echo "::$word::"; fi
}
