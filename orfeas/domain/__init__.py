"""Facts and arithmetic that every layer may use; standard library only."""
