"""Policy as code without an engine: what a rule is, what it sees of a stack, and what its verdict comes to."""
