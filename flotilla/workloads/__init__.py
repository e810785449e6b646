"""The sources of a workload's objects, their scope and their order."""
