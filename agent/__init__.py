"""The agent's room: keeping many interfaces right. Empty until the single-interface runtime is complete."""
