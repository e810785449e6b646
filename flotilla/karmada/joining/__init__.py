"""What a join leaves behind: rights, tokens, agents, membership, and how a member leaves."""
