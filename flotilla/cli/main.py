"""The command line: reads arguments, runs one verb, turns what happened into an exit code."""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

import argcomplete

from flotilla import __version__
from flotilla.cli.exit_codes import ExitCode
from flotilla.config.problems import ConfigError
from flotilla.errors import FlotillaError
from flotilla.kube.secrecy import redacted
from flotilla.untrusted import printable


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = build_parser()
    argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    if not hasattr(options, "verb"):
        parser.print_help()
        return ExitCode.USAGE
    try:
        return int(options.verb(options))
    except ConfigError as error:
        return _report(error, options, ExitCode.USAGE)
    except FlotillaError as error:
        return _report(error, options, ExitCode.FAILED)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return ExitCode.FAILED
    except BrokenPipeError:
        return ExitCode.DONE


def _report(error: FlotillaError, options: argparse.Namespace, code: ExitCode) -> ExitCode:
    if options.debug:
        sys.stderr.write(printable(redacted(traceback.format_exc())))
    sys.stderr.write(printable(redacted(f"error: {error}")) + "\n")
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every verb."""
    from flotilla.cli import (
        abandon,
        completion,
        doctor,
        drift,
        explain,
        fleet,
        kubeconfig,
        mcp,
        policy,
        report,
        resources,
        sandbox,
        state,
        status,
    )

    parser = argparse.ArgumentParser(prog="flotilla", description="pulumi up for a fleet of Kubernetes clusters")
    parser.add_argument("--version", action="version", version=f"flotilla {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-C", "--project", type=Path, default=Path(), help="the project's folder (default: here)")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    common.add_argument("--debug", action="store_true", help="print tracebacks of errors")
    fleet.add_verbs(verbs, common)
    status.add_verbs(verbs, common)
    state.add_verbs(verbs, common)
    resources.add_verbs(verbs, common)
    report.add_verbs(verbs, common)
    policy.add_verb(verbs, common)
    drift.add_verb(verbs, common)
    abandon.add_verb(verbs, common)
    explain.add_verb(verbs, common)
    kubeconfig.add_verb(verbs, common)
    doctor.add_verb(verbs, common)
    mcp.add_verb(verbs, common)
    sandbox.add_verbs(verbs, common)
    completion.add_verb(verbs, common)
    return parser


if __name__ == "__main__":
    sys.exit(main())
