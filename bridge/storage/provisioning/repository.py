"""The base of the classes that make up PostgresTenants."""

from bridge.storage.postgres.database import Database


class Repository:
    """The database that all of them share."""

    def __init__(self, database: Database) -> None:
        self._database = database
