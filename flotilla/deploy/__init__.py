"""Runs the program: one interface, two engines - Pulumi's CLI through its Automation API, and the embedded one."""
