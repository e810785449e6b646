"""No two files import each other: either could then not be read, tested or moved without the other."""

import re
import subprocess
import sys

import grimp

from tests.conftest import REPOSITORY

COMPONENTS = REPOSITORY / "components"


def test_no_two_files_import_each_other():
    graph = grimp.build_graph("flotilla", "components")
    pairs = {
        tuple(sorted((one, other)))
        for one in graph.modules
        for other in graph.find_modules_directly_imported_by(one)
        if one in graph.find_modules_directly_imported_by(other)
    }
    assert pairs == set()


def test_components_import_each_other_relatively():
    """The wheel has them under another name (docs/decisions/own-project.md), where `components` is the user's own."""
    absolute = re.compile(r"^\s*(from|import) components\b|[\"']components\.", re.MULTILINE)
    wrong = {file.name: found[0] for file in COMPONENTS.glob("*.py") if (found := absolute.search(file.read_text()))}
    assert wrong == {}


def test_a_project_s_program_can_import_any_component_first():
    """`flotilla.stack` imported all of its modules, which need each other: beginning elsewhere was an ImportError."""
    for module in ("components.own", "flotilla.workloads.control_plane", "flotilla.stack.files"):
        done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
