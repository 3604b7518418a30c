"""Accounts and what belongs to them, in Postgres."""

from bridge.storage.access_numbers import AccessNumbers
from bridge.storage.accounts import Accounts
from bridge.storage.known_callers import KnownCallers
from bridge.storage.passcodes import Passcodes
from bridge.storage.project_codes import ProjectCodes
from bridge.storage.renewal import Renewal
from bridge.storage.rooms import Rooms
from bridge.storage.sub_accounts import SubAccounts
from bridge.storage.tariffs import Tariffs


class PostgresTenants(
    Accounts, SubAccounts, Rooms, Passcodes, Renewal, AccessNumbers, ProjectCodes, KnownCallers, Tariffs
):
    """Implements tenants.Tenants."""
