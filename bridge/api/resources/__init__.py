"""The resources of REST, one module a resource. Each adds its rows to the operation table."""
