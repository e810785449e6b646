"""The sandbox: a start repairs it after a crash, a second start does nothing, `down` removes all; its programs."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flotilla.errors import SandboxError
from flotilla.sandbox import binaries as programs
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.fleet import Sandbox
from flotilla.sandbox.karmada import find_karmada
from flotilla.sandbox.processes import Process, start_time

pytestmark = pytest.mark.sandbox


def processes_of(folder):
    """Return id and program of the processes that have a folder in their command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        if str(folder) in command:
            found[int(entry.name)] = command.split("\0")[0].rpartition("/")[2]
    return found


def test_up_repairs_a_cluster_after_a_crash_and_down_removes_it(binaries, tmp_path):
    cluster = SandboxCluster("karmada", tmp_path, binaries)
    try:
        assert cluster.up(workloads=False) is True
        assert cluster.up(workloads=False) is False, "a second up is a no-op"
        assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
        before = processes_of(tmp_path)
        assert set(before.values()) == {"etcd", "kube-apiserver", "kube-controller-manager"}
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert cluster.up(workloads=False) is True
        assert set(processes_of(tmp_path).values()) == set(before.values())
    finally:
        cluster.down()
    assert processes_of(tmp_path) == {}
    assert not cluster.kubeconfig.exists()


def test_down_waits_until_a_process_that_kwokctl_has_killed_has_ended(tmp_path):
    kwokctl = tmp_path / "bin" / "kwokctl"
    kwokctl.parent.mkdir()
    kwokctl.symlink_to("/bin/true")
    cluster = SandboxCluster("karmada", tmp_path, programs.Binaries(kwokctl.parent, "does nothing, for a test"))
    records = cluster.folder / "pids"
    records.mkdir(parents=True)
    program = "import time; print(flush=True); time.sleep(1)"
    command = [sys.executable, "-c", program, str(cluster.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dying:
        assert dying.stdout
        dying.stdout.readline()  # The kernel has the arguments only when the program runs.
        (records / "etcd.pid").write_text(str(dying.pid))
        (records / "kube-apiserver.pid").write_text(str(os.getpid()))
        cluster.down()
        assert start_time(dying.pid) is None
    assert not cluster.folder.exists()


def test_all_servers_listen_only_on_loopback(cluster):
    ours = processes_of(cluster.root)
    sockets = {}
    for pid in ours:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = str(link.readlink())
            if target.startswith("socket:["):
                sockets[target[8:-1]] = ours[pid]
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                address = fields[1].rpartition(":")[0]
                assert address in ("0100007F", "0000000000000000FFFF00000100007F"), (sockets[fields[9]], address)


def test_a_process_with_a_reused_id_is_not_stopped(tmp_path):
    process = Process("sleeper", tmp_path)
    process.start([sys.executable, "-c", "import time; time.sleep(60)"])
    pid = process.pid()
    assert pid is not None
    (tmp_path / "sleeper.json").write_text(f'{{"pid": {os.getpid()}, "started": "another boot", "command": []}}')
    assert process.pid() is None
    process.stop()
    assert start_time(pid) is not None, "only what is recorded is ended"
    os.kill(pid, signal.SIGKILL)


def test_a_second_sandbox_command_is_refused_and_the_lock_leaves_no_file(tmp_path):
    with (
        Sandbox(tmp_path)._locked(),
        pytest.raises(SandboxError, match="another `flotilla sandbox` command"),
        Sandbox(tmp_path)._locked(),
    ):
        pass
    assert list((tmp_path / ".flotilla").iterdir()) == []


def test_missing_programs_without_download_and_go_give_an_error_with_a_hint(tmp_path, monkeypatch):
    monkeypatch.delenv("FLOTILLA_SANDBOX_BIN", raising=False)
    monkeypatch.setattr(programs, "_downloadable", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="neither downloaded") as caught:
        programs.ensure(lambda _: None, cache=tmp_path)
    assert "install Go" in caught.value.hint
    assert not [f for f in tmp_path.iterdir() if f.is_dir()]


def test_two_concurrent_starts_build_the_programs_once(tmp_path, monkeypatch):
    monkeypatch.delenv("FLOTILLA_SANDBOX_BIN", raising=False)
    monkeypatch.setattr(programs, "_downloadable", lambda: False)
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "go").write_text(
        '#!/bin/sh\necho built >> "$MADE"\nwhile [ "$1" != "-o" ]; do shift; done\nsleep 0.1\ntouch "$2"\n'
    )
    (fake / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    monkeypatch.setenv("MADE", str(tmp_path / "made"))
    reported = []
    threads = [
        threading.Thread(target=programs.ensure, args=(reported.append,), kwargs={"cache": tmp_path}) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len((tmp_path / "made").read_text().splitlines()) == len(programs.PROGRAMS)
    assert any("another process" in line for line in reported)


def test_a_failed_build_is_not_marked_as_complete(tmp_path, monkeypatch):
    monkeypatch.delenv("FLOTILLA_SANDBOX_BIN", raising=False)
    monkeypatch.setattr(programs, "_downloadable", lambda: False)
    (tmp_path / "go").write_text("#!/bin/sh\necho 'no space left' >&2\nexit 1\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match="kwokctl can't be built: no space left"):
        programs.ensure(lambda _: None, cache=tmp_path)
    assert not list(tmp_path.glob("sandbox-*/.complete"))


def test_pinned_versions_equal_those_of_the_go_modules():
    for module, version in (("kwok", programs.KWOK), ("etcd", programs.ETCD), ("kubernetes", programs.KUBERNETES)):
        text = (Path(programs.__file__).with_name("tools") / module / "go.mod").read_text()
        assert f" {version}\n" in text or f" {version} //" in text, f"{module} is not pinned to {version}"


def test_a_karmada_folder_without_the_programs_is_refused_and_they_are_named(tmp_path):
    with pytest.raises(SandboxError, match=r"has no karmada-aggregated-apiserver.*crds/"):
        find_karmada(tmp_path)


def test_a_sandbox_without_members_is_refused(tmp_path):
    with pytest.raises(SandboxError, match="1 to 50"):
        Sandbox(tmp_path).up(lambda _: None, members=0, karmada_bin=None)


def test_the_api_server_has_the_pinned_version(binaries):
    program = binaries.path("kube-apiserver")
    if program is None:
        pytest.skip("the API server was downloaded by kwokctl")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"Kubernetes {programs.KUBERNETES}"
