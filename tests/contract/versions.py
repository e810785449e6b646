"""Behaviour that depends on Karmada's version: with the running version, `up` completes as planned.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

from flotilla.karmada.versions import Version
from tests.contract.main_job import NGINX, deployed, members


def test_up_completes_with_an_override_for_zones_in_every_supported_version(fleet, run):
    """Before 1.18 an override applies only if it lists every zone of a cluster; earlier, `up` always timed out."""
    override = {"target": {"zones": ["us-a"]}, "image": {"tag": "1.28"}}
    joined = members("member1", zones=["us-a", "us-b"]) + members("member2", zones=["us-a"])
    run.write(joined, [{**NGINX, "overrides": [override], "timeout": 120}])
    run("up", "--yes")
    images = {
        name: deployed(fleet, name)["spec"]["template"]["spec"]["containers"][0]["image"]
        for name in ("member1", "member2")
    }
    overlaps = Version.parse(fleet.version) >= Version(1, 18)
    assert images == {"member1": "nginx:1.28" if overlaps else "nginx:1.27", "member2": "nginx:1.28"}
    plan = run("preview")
    assert plan["summary"].keys() == {"same"}, "the next plan is empty"
    assert run("refresh", "--preview-only")["summary"].keys() == {"same"}
