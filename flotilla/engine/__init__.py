"""The embedded engine: runs the same Pulumi program in one process, as the resource monitor of Pulumi's SDK."""
