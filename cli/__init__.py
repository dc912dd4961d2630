"""The command line: one thin module a command, rendering, and nothing that another room needs."""
