"""The installed versions of Pulumi's programs."""

import shutil
import subprocess

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2_grpc

CLI_NEEDS = ("pulumi", "pulumi-resource-pulumi-python")
LANGUAGE = "pulumi-language-python"
PROVIDER = "pulumi-resource-kubernetes"
_SECONDS = 30


def require(*names: str) -> None:
    """Skip the test if a program is not on the PATH; the reason names the missing programs."""
    lacking = [name for name in names if shutil.which(name) is None]
    if lacking:
        pytest.skip(f"not on the PATH: {', '.join(lacking)}")


def pulumi_version() -> str:
    """Return the CLI's version, such as v3.259.0."""
    reported = subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"v{reported.removeprefix('v')}"


def provider_version() -> str:
    """Return the Kubernetes provider's version, such as v4.32.0. Only the running program reports it."""
    process = subprocess.Popen([PROVIDER, "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            grpc.channel_ready_future(channel).result(timeout=_SECONDS)
            reported = provider_pb2_grpc.ResourceProviderStub(channel).GetPluginInfo(
                empty_pb2.Empty(), timeout=_SECONDS
            )
        return f"v{str(reported.version).removeprefix('v')}"
    finally:
        process.kill()
        process.wait()
