"""Records what Pulumi's CLI does with every case: `python -m tests.conformance.record`, where the CLI is installed."""

import json
import subprocess
import tempfile
from pathlib import Path

from flotilla.deploy.interface import EngineName
from tests.conformance.cases import CASES
from tests.conformance.runner import RECORDED, run_case


def main() -> None:
    version = subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout.strip()
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            acts = run_case(case, EngineName.PULUMI, Path(folder))
        document = {"case": case.name, "pulumi": version, "acts": acts}
        (RECORDED / f"{case.name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
        print(f"recorded {case.name}")


if __name__ == "__main__":
    main()
