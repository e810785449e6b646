"""Pictures: a fleet or a plan as a graph, and a fleet, a plan or drift as one HTML file."""
