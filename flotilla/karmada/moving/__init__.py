"""Moves: copies become healthy in the new clusters of a workload before they are removed from the old ones."""
