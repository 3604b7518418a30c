"""`make attack`: guessers on the phone, and the honest callers who call meanwhile.

The month is simulated: the product's own dialogue, guard and slots run in virtual time, with callers that are scripts.
"""
