"""The agent's child that compiles: the only part of it that knows the compiler; it has no privilege."""
