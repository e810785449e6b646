"""What each cluster gets of a template: with overrides, its share of replicas, and without pruned fields."""
