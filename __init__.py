"""polc: compiles Calico-style network policy into a verified pair of BPF objects and keeps it in force."""

__version__ = "0.1.0"
