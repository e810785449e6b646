"""Projects of users: the files that `flotilla init` writes, and their upgrade."""
