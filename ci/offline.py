"""Write a stack file that needs no credentials, so that CI can check it and plan it without any cluster.

    offline.py --stack NAME --as OTHER --folder FOLDER

The stack file of NAME is copied to that of OTHER. In the copy every kubeconfig names a cluster that does not exist, and
every encrypted value is a placeholder. A stack that uses the control plane or the members of another stack can't be
planned without that stack's state, only validated: then the exit code is 3.
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
    parser.add_argument(
        "--folder", type=Path, required=True, help="where to write kubeconfigs of clusters that don't exist"
    )
    options = parser.parse_args(arguments)
    project = Project.load(Path.cwd())
    document = yaml.safe_load(project.stack_file(options.stack).read_text()) or {}
    text = yaml.safe_dump(offline(document, options.folder.resolve()), sort_keys=False, allow_unicode=True)
    write_whole(project.stack_file(options.other), text, mode=0o644)
    if builds_on_another(document):
        print(f"stack {options.stack} uses another stack: only a preview can check it against the policies")
        sys.exit(NEEDS_ANOTHER_STACK)


if __name__ == "__main__":
    main()
