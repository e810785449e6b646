"""Write a stack file that needs no credentials, for a check of policies and a plan against nothing.

    offline.py --stack NAME --as OTHER

The stack's file is copied to that of OTHER: every kubeconfig is one that leads nowhere, every encrypted value a
placeholder. A stack that takes its control plane or its members from another stack can't be planned without that
stack's state, only validated: the exit code is 3 then.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from flotilla.files import write_whole
from flotilla.stack.offline import builds_on_another, offline
from flotilla.state.config import Project

NEEDS_ANOTHER_STACK = 3


def main(arguments: list[str] | None = None) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--as", dest="other", required=True, help="the name of the stack to write")
    parser.add_argument("--folder", type=Path, required=True, help="where to write kubeconfigs that lead nowhere")
    options = parser.parse_args(arguments)
    project = Project.load(Path.cwd())
    document = yaml.safe_load(project.stack_file(options.stack).read_text()) or {}
    text = yaml.safe_dump(offline(document, options.folder.resolve()), sort_keys=False, allow_unicode=True)
    write_whole(project.stack_file(options.other), text, mode=0o644)
    if builds_on_another(document):
        print(f"stack {options.stack} builds on another one: its policies are judged by a preview only")
        sys.exit(NEEDS_ANOTHER_STACK)


if __name__ == "__main__":
    main()
