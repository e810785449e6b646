"""The progress of templates, read from Clusters, bindings and Works, and all judgements about it."""
