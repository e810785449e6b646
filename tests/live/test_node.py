"""The lesson with real pods: Karmada's chart, members, a running nginx, and the host unchanged at the end.

The test starts and stops a node. Where this machine lacks something for it, the test is skipped with the reason.
"""

import shutil
import ssl
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.karmada.installing import pki
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import ObjectRef
from flotilla.sandbox.karmada import find_karmada
from flotilla.sandbox.processes import wait_until
from flotilla.stack.installation import release_values
from flotilla.stack.load import parse_fleet
from tests.conformance.versions import CLI_NEEDS, LANGUAGE, PROVIDER, require
from tests.contract.fleet import REPOSITORY, cluster_in, copy_program
from tests.contract.fleet import programs as sandbox_programs
from tests.live.chart import karmada_chart
from tests.live.node.node import ADDRESS, Node, image_archive, missing

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

VERSION = "1.18.2"
NGINX = {"name": "nginx", "image": "nginx:1.27", "replicas": 2, "placement": {"clusters": ["node", "sandboxed"]}}
KINDS = (
    *(("v1", kind) for kind in ("Namespace", "ConfigMap", "Secret", "ServiceAccount", "Service")),
    *(("v1", kind) for kind in ("PersistentVolumeClaim", "PersistentVolume", "Pod")),
    *(("apps/v1", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet")),
    ("batch/v1", "Job"),
    ("policy/v1", "PodDisruptionBudget"),
    *(("rbac.authorization.k8s.io/v1", k) for k in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1", "APIService"),
    *(("admissionregistration.k8s.io/v1", f"{k}WebhookConfiguration") for k in ("Mutating", "Validating")),
    ("scheduling.k8s.io/v1", "PriorityClass"),
)
EXPORT_API = "multicluster.x-k8s.io/v1alpha1"
ETCD = Path("/var/lib/karmada-system")


@pytest.fixture(scope="module")
def programs():
    lacking = missing()
    if lacking:
        pytest.skip(f"a node needs {', '.join(lacking)}")
    return sandbox_programs()


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    return karmada_chart(VERSION, tmp_path_factory.mktemp("chart"))


@pytest.fixture(scope="module")
def node(programs, chart, tmp_path_factory):
    """A node with the images of the chart, and with objects of somebody else."""
    folder = tmp_path_factory.mktemp("node")
    archive = image_archive(folder, programs.path("etcd").parent, find_karmada(None), images_of(chart))
    made = Node(folder / "node", programs.path("etcd").parent)
    etcd_was_there = ETCD.exists()
    try:
        made.up(archive)
        bystanders(made.connection())
        yield made
    finally:
        made.down()
        if not etcd_was_there:  # the chart's etcd stores its data in a folder of the machine
            shutil.rmtree(ETCD, ignore_errors=True)


@pytest.fixture(scope="module")
def member(programs, tmp_path_factory):
    with cluster_in(tmp_path_factory.mktemp("member"), "sandboxed", programs, nodes=1) as one:
        yield one


def images_of(chart):
    """Return every image of the chart's pods with our values, and the stand-in for nginx."""
    fleet = parse_fleet({"controlPlane": {"version": VERSION, "helm": installation("k", chart, "custom")}})
    values = chart.parent / "values.yaml"
    values.write_text(yaml.safe_dump(release_values(fleet.control_plane.helm, VERSION)))
    found = {"docker.io/library/nginx:1.27": ["/bin/busybox", "httpd", "-f", "-p", "80"]}
    for mode in ("custom", "auto"):
        command = ["helm", "template", "karmada", str(chart), f"--values={values}", f"--set=certs.mode={mode}"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found |= {line.split()[-1].strip('"'): [] for line in text.splitlines() if line.strip().startswith("image: ")}
    return found


def installation(host, chart, mode, **more):
    return {
        "host": str(host),
        "chart": {"path": str(chart)},
        "endpoint": {"type": "NodePort", "address": ADDRESS, "port": 31443},
        "certificates": {"mode": mode, **more.pop("certificates", {})},
        "timeout": 300,
        **more,
    }


def bystanders(connection):
    """Create objects of somebody else that the chart's uninstall job would delete."""
    for obj in (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info", "namespace": "kube-public"}},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "serviceexports.multicluster.x-k8s.io"},
            "spec": {
                "group": "multicluster.x-k8s.io",
                "names": {"kind": "ServiceExport", "plural": "serviceexports"},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": "v1alpha1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        },
    ):
        connection.create(obj, field_manager="bystander")
    export = {"apiVersion": EXPORT_API, "kind": "ServiceExport", "metadata": {"name": "mine", "namespace": "default"}}
    wait_until(lambda: created(connection, export), seconds=30, doing="waiting for the bystander's API")


def created(connection, obj):
    with suppress(ApiError):
        return connection.create(obj, field_manager="bystander")


def everything(connection, *, exports=True):
    """Return kind, namespace and name of all objects in the host."""
    found = set()
    for version, kind in (*KINDS, *([(EXPORT_API, "ServiceExport")] if exports else [])):
        for obj in connection.list(version, kind):
            if obj["metadata"]["name"] in ("kube-root-ca.crt", "default"):
                continue  # controllers create them in every namespace
            found.add((kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
    return found


@contextmanager
def project(folder, node, member, chart, engine):
    copy_program(folder)
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    port = kubeconfigs.server(kubeconfigs.select(kubeconfigs.load(member.kubeconfig.read_text()))).rpartition(":")[2]
    endpoint = f"https://{node.forward(int(port))}"
    members = [
        {"name": "node", "kubeconfig": str(node.kubeconfig)},
        {
            "name": "sandboxed",
            "kubeconfig": str(member.kubeconfig),
            "apiEndpoint": endpoint,
            "insecureSkipTlsVerify": True,  # its certificate is for loopback, and the forwarder has another address
        },
    ]

    def write(mode, **more):
        config = {
            "flotilla:controlPlane": {
                "version": VERSION,
                "helm": installation(node.kubeconfig, chart, mode, **more),
            },
            "flotilla:members": members,
            "flotilla:workloads": [NGINX],
        }
        (folder / "stacks" / "Pulumi.lesson.yaml").write_text(yaml.safe_dump({"config": config}))

    def run(verb, *options, expect=0):
        code = main([verb, "-C", str(folder), "-s", "lesson", "--engine", engine, *options])
        assert code == expect

    try:
        yield write, run
    finally:
        main(["destroy", "-C", str(folder), "-s", "lesson", "--engine", engine, "--yes"])


def running(connection):
    pods = connection.list("v1", "Pod", namespace="default")
    mine = [pod for pod in pods if pod["metadata"]["name"].startswith("nginx-")]
    return [pod["status"]["podIP"] for pod in mine if pod["status"]["phase"] == "Running"]


def served_certificate():
    return ssl.get_server_certificate((ADDRESS, 31443))


@pytest.mark.parametrize("mode", ["custom", "auto"])
@pytest.mark.parametrize("engine", ["pulumi", "embedded"])
def test_the_lesson_on_a_real_node(engine, mode, node, member, chart, tmp_path, capsys, monkeypatch):
    if engine == "pulumi":
        require(*CLI_NEEDS, LANGUAGE, PROVIDER)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    host = node.connection()
    before = everything(host)
    with project(tmp_path, node, member, chart, engine) as (write, run):
        write(mode)
        run("preview")
        said = capsys.readouterr().out
        assert ("certificates.mode auto" in said) is (mode == "auto"), "the hazards of it are in the plan"
        assert "etcd.storage hostPath" in said
        assert everything(host) == before
        run("up", "--yes")
        assert len(running(host)) == 2, "in real pods of the host itself"
        assert len(running(member.connection())) == 2
        run("preview", "--expect-no-changes")
        run("refresh", "--preview-only", "--expect-no-changes")
        run("drift")
        served = served_certificate()
        assert pki.covers(served, ADDRESS)

        # One plan changes a value of the chart and, if the stack issues them, the certificates.
        renewed = {"certificates": {"lifetimeDays": 400}} if mode == "custom" else {}
        write(mode, values={"scheduler": {"logVerbosity": 3}}, **renewed)
        capsys.readouterr()
        run("preview", "--detail")
        assert "values.scheduler.logVerbosity" in capsys.readouterr().out
        pods = {pod["metadata"]["uid"] for pod in host.list("v1", "Pod", namespace="karmada-system")}
        run("up", "--yes")
        scheduler = host.get(ObjectRef("apps/v1", "Deployment", "karmada-scheduler", "karmada-system"))
        assert "--v=3" in scheduler["spec"]["template"]["spec"]["containers"][0]["command"]
        if mode == "custom":
            assert pki.expires(served_certificate()) > pki.expires(served)
            after = {pod["metadata"]["uid"] for pod in host.list("v1", "Pod", namespace="karmada-system")}
            assert not pods & after, "every pod has read the new certificates"
            run("preview", "--expect-no-changes")
            assert len(running(host)) == 2
        run("destroy", "--yes")
    assert everything(host) == before
