"""What real Karmada wrote into Works for random templates and overrides, and what the model says of the same."""
