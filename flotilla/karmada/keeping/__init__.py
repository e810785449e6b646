"""How copies in members are released without being deleted, for `onRemoval: keep` and `flotilla release`."""
