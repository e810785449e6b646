"""The objects of a join (rights, tokens, agents, membership), and how a member leaves."""
