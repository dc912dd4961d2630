"""From a pair to a live kernel and back: doors, loader, gates, attaching, reading what is in force."""
