"""The sandbox's access to its machine: packages, ports, sockets and processes."""
