"""REST under /v1. One operation table is the source of routes, validation and OpenAPI."""
