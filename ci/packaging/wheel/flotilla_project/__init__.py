"""What the repository keeps at its top level, for projects of one's own: `components` and `policies.rules`."""
