"""Reads an existing fleet and writes the stack that declares it."""
