"""Draws a fleet or a plan as a graph, and writes a fleet, a plan or drift as one HTML file."""
