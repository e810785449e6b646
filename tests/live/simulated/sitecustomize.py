"""For Python processes of Pulumi's CLI, which can't be patched from a test. A test must not import it: it patches."""

from settling import settled

from components import installation

installation._ready = settled
