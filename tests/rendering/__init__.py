"""Compare the Works that real Karmada writes for random templates and overrides with the model's Works."""
