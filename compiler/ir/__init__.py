"""The decision IR: its nodes, its text, its invariants."""
