"""Builders of the objects that the contract's cases declare."""


def obj(api_version, kind, name, namespace=None, **more):
    within = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **within}, **more}


def pods(name, namespace=None, *, replicas=1, **spec):
    """Return a Deployment with one nginx container of the same name; `spec` adds fields to the pods' spec."""
    labels = {"app": name}
    pod = {"containers": [{"name": name, "image": "nginx:1.27"}], **spec}
    template = {"metadata": {"labels": labels}, "spec": pod}
    whole = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return obj("apps/v1", "Deployment", name, namespace, spec=whole)
