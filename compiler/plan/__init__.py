"""From the IR to a classifier plan: which tables there are, and how the code reads them."""
