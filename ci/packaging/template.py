"""Write the files of the project template that are generated from files of the repository (`make template`)."""

from __future__ import annotations

from pathlib import Path

from flotilla import __version__
from flotilla.scaffold.template_files import TEMPLATE

ROOT = Path(__file__).resolve().parents[2]


def made() -> dict[str, str]:
    """Return the texts of the generated files, by their paths in the template."""
    program = (ROOT / "__main__.py").read_text()
    return {
        "__main__.py": program.replace("from components", "from flotilla_project.components"),
        "policies/__main__.py": (ROOT / "policies" / "__main__.py").read_text(),
        "policies/PulumiPolicy.yaml": "description: The project's policies, and Flotilla's\n"
        + (ROOT / "policies" / "PulumiPolicy.yaml").read_text().partition("\n")[2],
        "requirements.txt": f"flotilla-fleet=={__version__}\n",
    }


if __name__ == "__main__":
    for path, text in made().items():
        (TEMPLATE / path).write_text(text)
