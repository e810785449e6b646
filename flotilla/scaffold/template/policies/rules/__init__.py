"""The project's policies: Flotilla's policies, and your own.

Your own policy is a `flotilla.policy.model.Rule` in a module of this folder; add it to RULES. The stack file sets levels
and exemptions, under `flotilla:policies`.
"""

from flotilla_project.policies.rules import RULES as FLOTILLA

RULES = (*FLOTILLA,)
