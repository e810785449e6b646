"""Reads a fleet that exists and writes the stack that declares it."""
