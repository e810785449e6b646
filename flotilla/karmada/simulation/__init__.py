"""What becomes of templates if something happens to the fleet: a cluster is lost, cordoned, tainted, joins, ...

One model with the plan: every question goes to `flotilla.karmada.scheduling.decide`. What is added here is what
happens before the scheduler is asked: which taints a cluster gets, and which of its templates are taken away for them.
No I/O.
"""
