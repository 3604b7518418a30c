"""The rules of access: the form of API keys, and what the holder of a key may do and see."""
