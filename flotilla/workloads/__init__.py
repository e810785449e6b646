"""Where a workload's objects come from, their scope and their order."""
