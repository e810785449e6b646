"""A running fleet, looked at: its members, its workloads in each of them, and any object across all of them."""
