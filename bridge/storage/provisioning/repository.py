"""What the parts of PostgresTenants have in common."""

from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.chosen_code_limit import ChosenCodeLimit


class Repository:
    """One aggregate of those that make up ports of provisioning."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chosen_code_limit = ChosenCodeLimit()
