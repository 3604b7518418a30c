"""What the parts of PostgresTenants have in common."""

from bridge.storage.choices import Choices
from bridge.storage.database import Database


class Part:
    """One aggregate of those that make up ports of provisioning."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._choices = Choices()
