"""What `flotilla doctor` reports, check by check; it contacts nothing outside of this machine."""

import ssl
import stat
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml

from flotilla.deploy.doctor import Health, examine
from flotilla.karmada.installing import pki
from flotilla.stack.load import parse_fleet
from tests.sops_stand_in import sealed


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Examine a fleet with only the given programs on the PATH."""

    def look(sections, **programs):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, said in programs.items():
            program = folder / name
            program.write_text(f"#!/bin/sh\n{said}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
        found = examine(parse_fleet(sections, base=tmp_path, files=False), tmp_path, seconds=2)
        return {finding.what: finding for finding in found}

    return look


@pytest.fixture
def server(tmp_path):
    """An HTTPS server on loopback whose certificate is valid for 127.0.0.1 only."""
    made = pki.issue(["127.0.0.1"], lifetime_days=90, ca_lifetime_days=100)
    for name in ("cert", "key"):
        (tmp_path / name).write_text(getattr(made, name))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    listening = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield listening.server_port
    listening.shutdown()
    listening.server_close()


def clusters(**networking):
    subnets = {"podSubnet": "10.6.0.0/16", "serviceSubnet": "10.96.0.0/16"}
    return [{"name": "one", "networking": {**subnets, **networking}}]


def installed(port=443, address="127.0.0.1", **more):
    endpoint = {"type": "Ingress", "address": address, "port": port}
    helm = {"host": {"cluster": "one"}, "endpoint": endpoint, "chart": {"path": "chart"}, **more}
    return {"clusters": clusters(), "controlPlane": {"version": "1.18.2", "helm": helm}}


@pytest.fixture(autouse=True)
def chart(tmp_path):
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "Chart.yaml").write_text("name: karmada\n")


MIRROR = {"images": {"registry": "registry.invalid"}}


def test_installed_programs_are_reported_with_their_versions(look):
    found = look(installed(**MIRROR), helm="echo v3.17.1+gabc", kind="echo kind v0.20.0", docker="exit 0")
    assert (found["helm"].health, found["helm"].seen.split()[0]) == (Health.FINE, "v3.17.1")
    assert (found["kind"].health, found["kind"].remedy) == (
        Health.WRONG,
        "install kind 0.24 or newer: kind.sigs.k8s.io",
    )
    assert found["docker"].health is Health.FINE
    assert found["pulumi"].health is Health.NOTE


def test_missing_programs_are_reported(look):
    found = look(installed(**MIRROR))
    assert found["helm"].seen == "is not on the PATH"
    assert "kind runs nodes with it" in found["docker"].seen


@pytest.mark.parametrize(
    ("source", "programs", "what", "wrong"),
    [
        ({"chart": {"path": "chart"}}, {"helm": "echo v3.17.1"}, "helm", False),
        ({"chart": {"path": "chart"}}, {"helm": "echo v3.12.0"}, "helm", True),
        ({"kustomize": {"path": "app"}}, {"kustomize": "echo v5.5.0"}, "kustomize", False),
        ({"kustomize": {"path": "app"}}, {"kubectl": "echo Client Version: v1.32.4"}, "kubectl", False),
        ({"kustomize": {"path": "app"}}, {}, "kustomize", True),
    ],
)
def test_programs_that_render_workloads_are_checked(look, source, programs, what, wrong):
    plane = {"kubeconfig": {"inline": "[secret]"}}
    members = [{"name": "one", "kubeconfig": {"inline": "[secret]"}}]
    workloads = [{"name": "a", "placement": {}, **source}]
    found = look({"controlPlane": plane, "members": members, "workloads": workloads}, **programs)
    assert (found[what].health is Health.WRONG) == wrong


def test_published_address_must_be_in_the_certificate(look, server):
    assert look(installed(server, **MIRROR))["published address"].health is Health.FINE
    wrong = look(installed(server, address="localhost", **MIRROR))["published address"]
    assert (wrong.health, "doesn't name it" in wrong.seen) == (Health.WRONG, True)
    assert look(installed(1, **MIRROR))["published address"].seen == "https://127.0.0.1:1 doesn't answer yet"


def test_ports_and_addresses_of_this_machine_are_checked(look, server):
    sections = {**installed(**MIRROR), "clusters": clusters(apiServerPort=server)}
    taken = look(sections)[f"port {server} for one"]
    assert (taken.health, "in use" in taken.seen) == (Health.WRONG, True)
    sections["clusters"] = clusters(apiServerPort=6443, apiServerAddress="192.0.2.1")
    assert "is no address of this machine" in look(sections)["port 6443 for one"].seen


def test_cluster_that_does_not_answer_is_an_error(look, tmp_path, project):
    sections = {"controlPlane": {"kubeconfig": str(project / "kube.yaml")}}
    found = look(sections)["Karmada"]
    assert (found.health, found.remedy) == (Health.WRONG, "start it, or correct its kubeconfig")


def test_sops_is_checked_where_a_manifest_is_encrypted_with_it(look, tmp_path, sections, project):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"a": "b"}}
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(secret))
    sections["workloads"] = [{"name": "web", "manifests": ["plain.yaml"], "placement": {}}]
    assert "sops" not in look(sections)
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(sealed(secret, "stringData")))
    assert look(sections)["sops"].remedy == "install sops: getsops.io"
    assert look(sections, sops="echo sops 3.10.2")["sops"].health is Health.FINE
