"""The base of the classes that make up PostgresTenants."""

from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.code_lengths import CodeLengths
from bridge.storage.postgres.database import Database


class Repository:
    """The database, and the lengths of new passcodes, that all of them share."""

    def __init__(self, database: Database, lengths: CodeLengths = code_lengths.DEFAULT) -> None:
        self._database = database
        self._lengths = lengths
