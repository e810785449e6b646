"""Steps, changes and the fleet's plan, as data."""
