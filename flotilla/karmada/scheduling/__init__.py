"""Which clusters a placement chooses, and how replicas divide among them."""
