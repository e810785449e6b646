"""The embedded engine: runs the same program in one process, on Pulumi's own seam and Pulumi's own state."""
