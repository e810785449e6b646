"""Kubernetes without Karmada: kubeconfigs, connections, server-side apply."""
