"""What depends on Karmada's version, by whichever version runs: an `up` ends, and copies are as the plan has them.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

from flotilla.karmada.versions import Version
from tests.contract.main_job import NGINX, deployed, members


def test_an_up_ends_where_an_override_means_zones(fleet, run):
    """Before 1.18 every zone of a cluster has to be listed: an `up` waited to its timeout for what isn't applied."""
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
