"""A real Karmada for one test, which creates the Clusters itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.sandbox.fleet import Sandbox
from tests.contract.fleet import copy_program, programs


@contextmanager
def own_karmada(folder: Path, karmada_bin: Path) -> Iterator[tuple[str, Connection]]:
    """Start Karmada's programs, with one member; yield Karmada's version and a connection to it."""
    programs()
    copy_program(folder)
    sandbox = Sandbox(folder)
    try:
        sandbox.up(print, members=1, karmada_bin=karmada_bin)
        text = (folder / ".flotilla" / "sandbox" / "kubeconfigs" / "karmada.yaml").read_text()
        title = next(one.detail for one in sandbox.status() if one.kind == "karmada")
        yield title.split()[1], Connection(kubeconfigs.select(kubeconfigs.load(text)), name="karmada")
    finally:
        sandbox.down(print)
