"""IR to IR with the same meaning: one file a pass."""
