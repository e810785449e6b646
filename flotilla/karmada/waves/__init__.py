"""Waves: a change reaches the clusters of a workload in steps, each of which has to pass a gate.

Karmada itself sends a change to all clusters at once. So between two waves, the policies suspend dispatching to the
clusters of later waves (docs/decisions/waves.md).
"""
