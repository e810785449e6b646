"""No two modules import each other: neither could be read, tested or moved without the other."""

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


def test_components_import_each_other_by_relative_imports():
    """In the wheel they have another package name (docs/decisions/own-project.md).

    In a project, `components` is the user's package.
    """
    absolute = re.compile(r"^\s*(from|import) components\b|[\"']components\.", re.MULTILINE)
    wrong = {file.name: found[0] for file in COMPONENTS.glob("*.py") if (found := absolute.search(file.read_text()))}
    assert wrong == {}


def test_program_of_a_project_can_import_any_component_first():
    """Regression: `flotilla.stack` imported all of its modules, so another import order was an ImportError."""
    for module in ("components.own", "flotilla.workloads.control_plane", "flotilla.stack.files"):
        done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
