"""Agents: who they are, what they aim for, and how the loop decides. No I/O."""
