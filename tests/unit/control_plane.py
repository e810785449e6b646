"""Objects of the control plane itself, for the tests that declare some."""

import yaml

from tests.contract import control_plane as contract

OBJECTS = contract.OBJECTS + contract.TAINTS
AUTOSCALER, REBALANCER = contract.AUTOSCALER, contract.REBALANCER


def manifest(text, **spec):
    """Return an object, with other fields of its spec."""
    obj = yaml.safe_load(text)
    return {**obj, "spec": {**obj.get("spec", {}), **spec}}


def write(folder, **files):
    """Write manifest files, each of some objects or of a text, and return the section that names them, by group."""
    section = []
    for name, content in files.items():
        text = content if isinstance(content, str) else yaml.safe_dump_all(content)
        (folder / f"{name}.yaml").write_text(text)
        section.append({"name": name, "manifests": [f"{name}.yaml"]})
    return section
