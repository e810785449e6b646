"""Karmada's API as plain data: typed models, builders of every object that Flotilla declares, placement arithmetic."""
