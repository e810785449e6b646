"""What each cluster gets of a template: overrides, its share of replicas, fields that never travel."""
