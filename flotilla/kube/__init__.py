"""Kubernetes without Karmada: kubeconfigs, connections, requests, server-side apply."""
