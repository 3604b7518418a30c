"""The rules of admission: from dialled digits to a room, or a refusal."""
