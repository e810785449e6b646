"""Records of changes in waves, for tests."""

from flotilla.karmada.waves.record import APPROVED, PAUSED, Phase, Record, record_data, reference, secret_of

WAVES = ((1, ("member1",)), (2, ("member2", "member3")), (3, ("member4",)))


def record(workload="nginx", **values):
    """Return the record of a change with three waves, of which the first is done."""
    known = {
        "declaration": "0123456789abcdef",
        "waves": WAVES,
        "reached": ("member1",),
        "passed": ("member1",),
        "phase": Phase.APPROVAL,
        "since": "2026-11-26T10:00:00Z",
        "policies": (("PropagationPolicy", "default", workload),),
    }
    return Record(workload, **{**known, **values})


def kept(found, namespace="default", **annotations):
    """Return the Secret that stores a record in the control plane."""
    where = reference(namespace, found.workload)
    secret = secret_of(where, record_data(found))
    secret["metadata"]["annotations"] = {{"paused": PAUSED, "approved": APPROVED}[k]: v for k, v in annotations.items()}
    return secret
