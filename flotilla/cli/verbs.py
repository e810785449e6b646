"""The verbs with their modules and their texts in `flotilla --help`.

A run imports only the module of its own verb. All modules together load Pulumi's SDK and every client library, which
takes seconds of CPU time.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

VERBS = {
    "init": {
        "init": "create a project of your own, or upgrade one",
    },
    "fleet": {
        "preview": "show what `up` would change",
        "up": "show the plan, ask, and apply it",
        "refresh": "read the clusters' objects into the state",
        "destroy": "delete everything that the stack has deployed",
    },
    "validate": {
        "validate": "check the stack file and the files that it names",
        "env": "print the environment variables that Pulumi's own CLI needs, as shell commands",
    },
    "rollback": {
        "rollback": "go back to what an earlier update declared",
        "history": "list the stack's updates, and to which of them `rollback` can go back",
    },
    "adopt": {
        "adopt": "write a stack file for an existing fleet, or take over one existing object",
    },
    "status": {
        "status": "show control plane, members and workloads, the worst first",
        "clusters": "list members with capacity, labels and taints",
        "workloads": "list workloads in each member, and why they aren't healthy",
    },
    "rollout": {
        "rollout": "show changes in waves; pause, resume, abort and approve them",
    },
    "state": {
        "state": "show a stack's state, restore a backup, remove a lock",
    },
    "resources": {
        "get": "list objects of any kind in all members",
        "events": "list events of all members",
        "logs": "print a workload's logs from every member that runs it",
    },
    "report": {
        "graph": "draw which workload runs where",
        "report": "write a report of the fleet, a plan or drift as one HTML file",
    },
    "policy": {
        "policy": "check the plan against the project's policies",
    },
    "simulate": {
        "simulate": "predict what happens to workloads if a cluster is lost, cordoned, tainted or added",
    },
    "drift": {
        "drift": "compare the fleet with what was declared, down to objects in members",
    },
    "maintenance": {
        "cordon": "schedule nothing new to a member",
        "drain": "cordon a member, and move the workloads that can run elsewhere",
        "uncordon": "end a member's maintenance",
    },
    "abandon": {
        "abandon": "remove a member that no longer exists",
    },
    "release": {
        "release": "stop managing workloads or members; their objects stay in the members",
    },
    "explain": {
        "explain": "list the values of Karmada's chart that the stack changes, with the reasons",
    },
    "kubeconfig": {
        "kubeconfig": "write a kubeconfig for Karmada, or for another cluster of the stack",
    },
    "doctor": {
        "doctor": "check that this machine and the clusters have what the stack needs",
    },
    "mcp": {
        "mcp": "serve tools for AI agents (MCP)",
    },
    "sandbox": {
        "sandbox": "manage a local fleet of real API servers, without Docker",
    },
    "completion": {
        "completion": "print the completion script of a shell",
    },
}
"""The verbs of each module of `flotilla.cli` with their help, in the order in which `flotilla --help` lists them."""
HELP = {verb: text for listed in VERBS.values() for verb, text in listed.items()}


def add_verbs(verbs: Any, common: argparse.ArgumentParser, given: str | None = None) -> None:
    """Add every verb to the command's parser.

    Args:
        verbs: the parser's verbs, from `add_subparsers`.
        common: the options that every verb has.
        given: the verb of this run. It is added with its arguments, the others only with their help texts; None adds
            all of them with their arguments.
    """
    for module, listed in VERBS.items():
        if given is None or given in listed:
            import_module(f"flotilla.cli.{module}").add_verbs(verbs, common)
            continue
        for verb, text in listed.items():
            verbs.add_parser(verb, help=text)
