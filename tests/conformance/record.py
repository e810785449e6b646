"""Record what Pulumi's CLI does in every case: `python -m tests.conformance.record`; the CLI must be installed."""

import json
import tempfile
from pathlib import Path

from flotilla.deploy.interface import EngineName
from flotilla.sandbox.binaries import KUBERNETES, ensure
from tests.conformance.all_cases import WITH_A_CLUSTER, WITH_FILES
from tests.conformance.places import namespace_in
from tests.conformance.runner import RECORDED, run_case
from tests.conformance.versions import provider_version, pulumi_version
from tests.contract.fleet import cluster_in


def main() -> None:
    versions = {"pulumi": pulumi_version()}
    for case in WITH_FILES:
        with tempfile.TemporaryDirectory() as folder:
            keep(case.name, versions, run_case(case, EngineName.PULUMI, Path(folder)))
    versions |= {"provider": provider_version(), "kubernetes": KUBERNETES}
    with (
        tempfile.TemporaryDirectory() as sandbox,
        cluster_in(Path(sandbox), "conformance", ensure(print), nodes=2) as one,
    ):
        for case in WITH_A_CLUSTER:
            with tempfile.TemporaryDirectory() as folder, namespace_in(one) as place:
                keep(case.name, versions, run_case(case, EngineName.PULUMI, Path(folder), place))


def keep(name: str, versions: dict[str, str], acts: list[dict]) -> None:
    """Write one recording."""
    document = {"case": name, **versions, "acts": acts}
    (RECORDED / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    print(f"recorded {name}")


if __name__ == "__main__":
    main()
