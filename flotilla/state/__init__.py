"""A stack's state in Pulumi's formats, for both engines: values, URNs, the checkpoint, its secrets and its files."""
