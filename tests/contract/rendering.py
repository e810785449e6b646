"""The contents of Works, on real Karmada and the stand-in: failing overrides, their order, divided Jobs."""

from flotilla.karmada.names import execution_namespace
from flotilla.karmada.objects import POLICY_API
from flotilla.kube.objects import ref_of
from tests.contract.karmada import MEMBERS, eventually, require_newest, selector, web

EVERYWHERE = {"clusterAffinity": {"clusterNames": list(MEMBERS)}}


def override(karmada, called, rules, /, *, namespace="", **meant):
    """Create an override policy; without a namespace a cluster-wide one."""
    kind = "OverridePolicy" if namespace else "ClusterOverridePolicy"
    metadata = {"name": called, **({"namespace": namespace} if namespace else {})}
    spec = {"resourceSelectors": [meant], "overrideRules": rules}
    return karmada.make({"apiVersion": POLICY_API, "kind": kind, "metadata": metadata, "spec": spec})


def annotate(value):
    return {"annotationsOverrider": [{"operator": "add", "value": {"by": value}}]}


def failing(member):
    patch = [{"operator": "replace", "path": "/spec/nowhere", "value": 1}]
    return {"targetCluster": {"clusterNames": [member]}, "overriders": {"plaintext": patch}}


def by(karmada, member, template):
    found = karmada.in_member(member, ref_of(template))
    return (found["metadata"].get("annotations") or {}).get("by") if found else None


def works(karmada, member, template):
    found = karmada.api.list("work.karmada.io/v1alpha1", "Work", namespace=execution_namespace(member))
    return [w for w in found if any(ref_of(m) == ref_of(template) for m in w["spec"]["workload"]["manifests"])]


def test_an_override_that_fails_stops_the_copy_of_its_cluster(karmada, namespace):
    """docs: decisions/rendering, a path that doesn't exist; after its correction the cluster gets the copy"""
    require_newest(karmada)  # before, a failing override kept the template from every cluster
    template = web(namespace)
    fixed = {**failing("member2"), "overriders": annotate("fixed")}
    override(karmada, "o", [failing("member2")], namespace=namespace, **selector(template))
    karmada.make(template)
    karmada.policy("p", namespace, [selector(template)], EVERYWHERE)
    eventually(lambda: karmada.in_member("member1", ref_of(template)))
    assert works(karmada, "member2", template) == []
    override(karmada, "o", [fixed], namespace=namespace, **selector(template))
    eventually(lambda: by(karmada, "member2", template) == "fixed", seconds=90)


def test_an_override_that_begins_to_fail_leaves_the_copy_unchanged(karmada, namespace):
    """docs: decisions/rendering, the cluster keeps what it has"""
    template = web(namespace)
    override(karmada, "o", [{"overriders": annotate("first")}], namespace=namespace, **selector(template))
    karmada.make(template)
    karmada.policy("p", namespace, [selector(template)], EVERYWHERE)
    for member in MEMBERS:
        eventually(lambda member=member: by(karmada, member, template) == "first")
    second = [{"targetCluster": {"clusterNames": ["member1"]}, "overriders": annotate("second")}, failing("member2")]
    override(karmada, "o", second, namespace=namespace, **selector(template))
    eventually(lambda: by(karmada, "member1", template) == "second")
    assert by(karmada, "member2", template) == "first"


def test_the_override_with_the_most_specific_selector_wins(karmada, namespace):
    """docs: decisions/rendering, the order of policies"""
    template = web(namespace)
    whole = {key: value for key, value in selector(template).items() if key != "name"}
    wide = override(karmada, f"a-{namespace}", [{"overriders": annotate("wide")}], **selector(template))
    try:
        override(karmada, "z", [{"overriders": annotate("kind")}], namespace=namespace, **whole)
        override(karmada, "a", [{"overriders": annotate("name")}], namespace=namespace, **selector(template))
        karmada.make(template)
        karmada.policy("p", namespace, [selector(template)], EVERYWHERE)
        eventually(lambda: by(karmada, "member1", template) == "name")
    finally:
        karmada.api.delete(ref_of(wide))


def test_completions_of_a_divided_job_are_divided_and_its_ttl_is_not_sent(karmada, namespace):
    """docs: decisions/rendering, completions by parallelism"""
    pod = {"restartPolicy": "Never", "containers": [{"name": "job", "image": "busybox:1.36"}]}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "crunch", "namespace": namespace},
        "spec": {"parallelism": 4, "completions": 12, "ttlSecondsAfterFinished": 3600, "template": {"spec": pod}},
    }
    karmada.make(job)
    weights = [
        {"targetCluster": {"clusterNames": [name]}, "weight": weight}
        for name, weight in zip(MEMBERS, (3, 1), strict=True)
    ]
    scheduling = {
        "replicaSchedulingType": "Divided",
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"staticWeightList": weights},
    }
    karmada.policy("p", namespace, [selector(job)], {**EVERYWHERE, "replicaScheduling": scheduling})
    for member, shares in zip(MEMBERS, ((3, 9), (1, 3)), strict=True):
        (work,) = eventually(lambda member=member: works(karmada, member, job))
        spec = work["spec"]["workload"]["manifests"][0]["spec"]
        assert (spec["parallelism"], spec["completions"]) == shares
        assert "ttlSecondsAfterFinished" not in spec
