"""Waves: a change reaches the clusters of a workload in steps, each of which has to pass a gate.

Karmada itself sends a change to all clusters at once. Between two waves its policies suspend the dispatching to the
clusters that come later (docs/decisions/waves.md).
"""
