"""What happens to templates if something happens to the fleet: a cluster is lost, cordoned, tainted, joins, ...

Simulations use the same model as plans: every decision comes from `flotilla.karmada.scheduling.decide`. This package
adds what happens before the scheduler runs: which taints a cluster gets, and which templates are evicted because of
them. Nothing here does I/O.
"""
