"""The sources of a client's credentials: each returns a kubeconfig with one context, as plain data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla.errors import ClusterError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.objects import Object

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a pod's token and its API server's CA."""

_OUTPUT = "kubeconfig"


def of_file(path: str | Path | None, context: str | None) -> Object:
    """Read a kubeconfig file; by default the first of KUBECONFIG, else ~/.kube/config.

    Raises:
        KubeconfigError: the file can't be read, or has no such context.
    """
    named = str(path) if path else os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or "~/.kube/config"
    file = Path(named).expanduser()
    return kubeconfigs.checked(kubeconfigs.select(kubeconfigs.read(file), context, base=file.parent))


def of_pod(folder: Path = SERVICE_ACCOUNT) -> Object:
    """Return the credentials of the pod that this runs in; the token stays in its file, because Kubernetes renews it.

    Raises:
        ClusterError: this isn't a pod, or it has no service account.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (folder / "token").exists():
        raise ClusterError(
            f"no credentials of a pod: KUBERNETES_SERVICE_HOST or {folder / 'token'} is missing",
            hint="outside a cluster, give a kubeconfig",
        )
    address = f"[{host}]" if ":" in host else host
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "clusters": [
            {
                "name": "pod",
                "cluster": {"server": f"https://{address}:{port}", "certificate-authority": str(folder / "ca.crt")},
            }
        ],
        "users": [{"name": "pod", "user": {"tokenFile": str(folder / "token")}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
    }
    return kubeconfigs.select(document)


def of_outputs(outputs: Mapping[str, Any]) -> Object:
    """Return the control plane's kubeconfig of a stack's outputs.

    They come from `stack.outputs()`, or from `pulumi stack output --show-secrets -j`.

    Raises:
        ClusterError: the outputs have no `kubeconfig`, or it is hidden.
    """
    output = outputs.get(_OUTPUT)
    text = getattr(output, "value", output)
    if not isinstance(text, str) or text == "[secret]":
        raise ClusterError(
            f"the stack's outputs have no readable {_OUTPUT!r}; they have {', '.join(sorted(outputs)) or 'nothing'}",
            hint="run `up` first; with the CLI, add --show-secrets",
        )
    return kubeconfigs.select(kubeconfigs.load(text, origin="the stack's output 'kubeconfig'"))
