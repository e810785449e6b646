"""Karmada's API as plain data: typed models, builders for every object that Flotilla declares, scheduling rules."""
