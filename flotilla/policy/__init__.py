"""Policy as code without an engine: the models of rules, the view of a stack that they get, and their verdicts."""
