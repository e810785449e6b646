"""Karmada itself: the chart, its values, the host cluster, certificates."""
