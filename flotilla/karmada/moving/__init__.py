"""Moves: copies get healthy in the clusters that a workload comes to before they go from those that it leaves."""
