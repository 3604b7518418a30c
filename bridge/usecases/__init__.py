"""The actions of the product, one verb a module. A use case sees the domain and its ports, nothing else."""
