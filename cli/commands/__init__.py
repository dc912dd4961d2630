"""One module a command: it reads the options, calls the rooms below, and prints what they return."""
