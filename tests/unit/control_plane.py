"""Objects of the control plane itself, for tests of stacks that declare such objects."""

import yaml

from tests.contract import control_plane as contract

OBJECTS = contract.OBJECTS + contract.TAINTS
AUTOSCALER, REBALANCER = contract.AUTOSCALER, contract.REBALANCER


def manifest(text, **spec):
    """Return a manifest whose spec is replaced by the given fields."""
    obj = yaml.safe_load(text)
    return {**obj, "spec": {**obj.get("spec", {}), **spec}}


def write(folder, **files):
    """Write manifest files, each with some objects or a text; return the section that lists them by group."""
    section = []
    for name, content in files.items():
        text = content if isinstance(content, str) else yaml.safe_dump_all(content)
        (folder / f"{name}.yaml").write_text(text)
        section.append({"name": name, "manifests": [f"{name}.yaml"]})
    return section
