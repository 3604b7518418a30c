"""What the product does, one verb a module. Sees the domain and its ports, nothing else."""
