"""Tests of what the machine tells, and of private files."""
