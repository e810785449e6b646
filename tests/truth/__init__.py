"""Compare decisions of real Karmada schedulers for random fleets with the model's decisions."""
