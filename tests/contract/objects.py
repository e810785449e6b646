"""Objects that the contract's cases declare, built from what differs between them."""


def obj(api_version, kind, name, namespace=None, **more):
    within = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **within}, **more}


def pods(name, namespace=None, *, replicas=1, **spec):
    """A Deployment of one nginx container, named and labelled as the Deployment; `spec` is more of the pods' spec."""
    labels = {"app": name}
    pod = {"containers": [{"name": name, "image": "nginx:1.27"}], **spec}
    template = {"metadata": {"labels": labels}, "spec": pod}
    whole = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return obj("apps/v1", "Deployment", name, namespace, spec=whole)
