"""How far something has got: Clusters, bindings and Works, and every judgement on them."""
