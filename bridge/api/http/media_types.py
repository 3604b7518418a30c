"""The media types of requests and responses."""

from typing import Final

JSON: Final = "application/json"
CSV: Final = "text/csv"
PROBLEM: Final = "application/problem+json"
