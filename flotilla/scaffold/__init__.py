"""Projects of one's own: what `flotilla init` writes, and how an upgrade of it goes."""
