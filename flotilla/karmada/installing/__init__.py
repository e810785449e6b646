"""The installation of Karmada: the chart, its values, the host cluster, certificates."""
