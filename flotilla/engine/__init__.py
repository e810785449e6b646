"""The embedded engine: runs the same program in one process, on the seam that Pulumi's own SDK offers."""
