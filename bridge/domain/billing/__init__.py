"""The rules of billing: tariffs, charges, statements and carriers' files."""
