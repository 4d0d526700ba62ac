"""What workers run: thin functions from values and parameters to values, found by stage name."""
