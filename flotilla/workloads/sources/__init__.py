"""Sources of a workload's objects besides plain manifests: one module per source, one result type for all."""
