"""The base of the classes that make up PostgresTenants."""

from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.chosen_code_limit import ChosenCodeLimit


class Repository:
    """The database, and the limit of refused passcodes that all of them share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chosen_code_limit = ChosenCodeLimit()
