"""A stand-in for Karmada: controllers that keep the documented contract of the resources that Flotilla uses.

It is meant for trying, teaching and testing, never for real use, and every output names it as a stand-in. It works on
the sandbox's real API servers: about twice a second it reads everything and corrects differences. It has no queues and
no state of its own that a crash could lose. `docs/reference/stand-in.md` lists the intended differences from Karmada.
"""
