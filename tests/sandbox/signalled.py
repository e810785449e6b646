"""A run in its own process, to which tests send signals: one resource completes, then another waits or hangs.

`python -m tests.sandbox.signalled VERB FOLDER KIND`; a test sends signals after the line `begun`. KIND: `waits` can be
interrupted like the waits for clusters, `hangs` can't be interrupted, `done` ends by itself.
"""

import sys
import time
from pathlib import Path

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

from flotilla.engine.stack import EmbeddedStack
from flotilla.errors import FlotillaError
from flotilla.providers.dynamic import register
from flotilla.state.config import Project
from flotilla.waiting import pause
from tests.conformance.file_resource import FileResource


def _slow(kind):
    print("begun", flush=True)
    if kind == "hangs":
        time.sleep(600)
    deadline = time.monotonic() + 600
    while kind == "waits" and time.monotonic() < deadline:
        if pause(1.0):
            raise FlotillaError("interrupted while waiting for nothing")


class SlowProvider(ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props):
        _slow(props["kind"])
        return CreateResult(id_="slow", outs=props)

    def diff(self, _id, _olds, news):
        _slow(news["kind"] if "preview" in sys.argv else "done")
        return DiffResult(changes=False)

    def delete(self, _id, _props):
        _slow(sys.argv[3])


register("dynamic/test:Slow", SlowProvider)


class Slow(Resource, module="test", name="Slow"):
    pass


def stack(folder: Path, kind: str) -> EmbeddedStack:
    def program():
        one = FileResource("one", {"folder": str(folder / "files"), "value": "1"})
        Slow(SlowProvider(), "slow", {"kind": kind}, pulumi.ResourceOptions(depends_on=[one]))

    return EmbeddedStack(
        Project.load(folder), "test", folder, program=program, report=lambda line: print(line, flush=True)
    )


if __name__ == "__main__":
    _, verb, folder_, kind_ = sys.argv
    result = getattr(stack(Path(folder_), kind_), verb)()
    print("\n".join(result.failures), flush=True)
    sys.exit(bool(result.failures))
