"""A local fleet of real API servers: no Docker, no root, everything on 127.0.0.1."""
