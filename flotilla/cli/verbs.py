"""The verbs: the module that each is in, and what `flotilla --help` says of it.

A run imports the module of its own verb alone. All of them together load Pulumi's SDK and every client, which takes
seconds of CPU.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

VERBS = {
    "init": {
        "init": "begin a project of your own, or bring it up to date",
    },
    "fleet": {
        "preview": "show what `up` would change",
        "up": "make it so",
        "refresh": "read what the clusters hold",
        "destroy": "delete everything",
    },
    "validate": {
        "validate": "check the stack file and what it names",
        "env": "print what plain `pulumi` needs here, for a shell to evaluate",
    },
    "rollback": {
        "rollback": "go back to what an earlier update declared",
        "history": "list the stack's updates, and which can be gone back to",
    },
    "adopt": {
        "adopt": "write the stack that declares a fleet which is there; or take one declared object over",
    },
    "status": {
        "status": "the fleet at a glance, worst first",
        "clusters": "members, with capacity, labels, taints",
        "workloads": "workloads in each member, and why they aren't healthy",
    },
    "rollout": {
        "rollout": "changes in waves: show them, pause, resume, abort, approve",
    },
    "state": {
        "state": "a stack's state itself: show it, restore a backup, break a lock",
    },
    "resources": {
        "get": "any kind of object, across members",
        "events": "what happened, across members",
        "logs": "a workload's logs, from every member that runs it",
    },
    "report": {
        "graph": "draw which workload runs where",
        "report": "one HTML file, to keep or attach",
    },
    "policy": {
        "policy": "judge the plan by the project's policies",
    },
    "simulate": {
        "simulate": "say what becomes of workloads if a cluster is lost, cordoned, tainted, or joins",
    },
    "drift": {
        "drift": "compare the fleet with what was declared, down to the members' objects",
    },
    "maintenance": {
        "cordon": "let a member take nothing new",
        "drain": "cordon a member, and move what can run elsewhere",
        "uncordon": "end a member's maintenance",
    },
    "abandon": {
        "abandon": "give up a member that no longer exists",
    },
    "release": {
        "release": "give workloads or members back: what they run runs on",
    },
    "explain": {
        "explain": "say which values of Karmada's chart are changed, and why",
    },
    "kubeconfig": {
        "kubeconfig": "write credentials of Karmada, or of another cluster of the stack, to a file",
    },
    "doctor": {
        "doctor": "look whether this machine and its clusters have what it takes",
    },
    "mcp": {
        "mcp": "serve tools for AI agents (MCP)",
    },
    "sandbox": {
        "sandbox": "a local fleet of real API servers, no Docker",
    },
    "completion": {
        "completion": "print what a shell evaluates to complete flotilla",
    },
}
"""By module of `flotilla.cli`: its verbs with their help, in the order in which they are listed."""
HELP = {verb: text for listed in VERBS.values() for verb, text in listed.items()}


def add_verbs(verbs: Any, common: argparse.ArgumentParser, given: str | None = None) -> None:
    """Add every verb to the command's parser.

    Args:
        verbs: the parser's verbs, from `add_subparsers`.
        common: options that every verb has.
        given: the verb of this run, which is added with its arguments, the others with their help alone; None: all of
            them with their arguments.
    """
    for module, listed in VERBS.items():
        if given is None or given in listed:
            import_module(f"flotilla.cli.{module}").add_verbs(verbs, common)
            continue
        for verb, text in listed.items():
            verbs.add_parser(verb, help=text)
