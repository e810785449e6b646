"""The project's policies: Flotilla's own, and those that you add.

A policy of your own is a `flotilla.policy.model.Rule` in a module of this folder; add it to RULES. Levels and exemptions
are in the stack file, under `flotilla:policies`.
"""

from flotilla_project.policies.rules import RULES as FLOTILLA

RULES = (*FLOTILLA,)
