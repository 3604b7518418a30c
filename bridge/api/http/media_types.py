"""The media types that requests and responses have."""

from typing import Final

JSON: Final = "application/json"
CSV: Final = "text/csv"
PROBLEM: Final = "application/problem+json"
