"""Contracts: behaviours of a port, checked on its fake and on its real implementation, so that no fake can lie."""
