"""Views of a running fleet: its members, its workloads in each member, and any object across all members."""
