"""Runs the program by one interface with two engines: Pulumi's CLI through its Automation API, and the embedded one."""
