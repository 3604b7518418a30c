"""Storage of provisioning: accounts, sub-accounts, rooms, passcodes, access numbers and project codes."""
