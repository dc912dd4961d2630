"""`polc demo`: client, node and workload in network namespaces, and a policy at work between them."""
