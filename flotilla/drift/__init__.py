"""Finds drift in three layers: where the fleet differs from what was declared, who changed it, and what fixes it."""
