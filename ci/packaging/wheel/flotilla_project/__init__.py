"""The packages at the top level of the repository, for projects of users: `components` and `policies.rules`."""
