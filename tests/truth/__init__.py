"""What real Karmada schedulers decided for random fleets, and what the model says of the same."""
