"""The statement as text, and the differences with a carrier's file as text and CSV."""
