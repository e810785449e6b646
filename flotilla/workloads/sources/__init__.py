"""Where a workload's objects come from besides its own manifests: one module to a source, one shape for all of them."""
