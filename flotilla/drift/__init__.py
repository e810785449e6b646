"""Drift: where reality left the plan, in three layers, each with its place, its writer and its remedy."""
