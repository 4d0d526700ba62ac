"""The stage engine: plans, rows, leases, events and the processes that work on them."""
