"""Patch Python processes of Pulumi's CLI, which tests can't patch. Tests must not import this module."""

from settling import settled

from components import installation

installation._ready = settled
