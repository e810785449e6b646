"""A stand-in for Karmada: controllers that keep the documented contract of the resources that Flotilla uses.

Good for trying, teaching and testing; never for real use, and named as a stand-in in every output. It works on the
sandbox's real API servers by looking at everything twice a second and putting right what isn't: no caches, no queues,
nothing to lose in a crash. `docs/reference/stand-in.md` lists what differs from Karmada on purpose.
"""
