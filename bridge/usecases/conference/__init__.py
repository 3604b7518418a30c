"""Use cases of conferences: live rooms and their participants."""
