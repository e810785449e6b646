"""What unit tests share: kubeconfigs and stack sections that are valid, to be broken one by one."""

import pytest
import yaml

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "admin",
    "clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "admin", "context": {"cluster": "one", "user": "admin"}}],
    "users": [{"name": "admin", "user": {"token": "hunter2"}}],
}


@pytest.fixture
def project(tmp_path):
    """A project's folder with one kubeconfig."""
    (tmp_path / "kube.yaml").write_text(yaml.safe_dump(KUBECONFIG))
    return tmp_path


@pytest.fixture
def sections():
    """The smallest fleet: nginx on both clusters."""
    return {
        "controlPlane": {"kubeconfig": "kube.yaml"},
        "members": [{"name": "member1", "kubeconfig": "kube.yaml"}, {"name": "member2", "kubeconfig": "kube.yaml"}],
        "workloads": [{"name": "nginx", "image": "nginx:1.27", "placement": {"clusters": ["member1", "member2"]}}],
    }
