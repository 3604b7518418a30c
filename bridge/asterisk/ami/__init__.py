"""AMI: the live view of rooms."""
