"""Letting copies in members go without deleting them: what `onRemoval: keep` and `flotilla release` need."""
