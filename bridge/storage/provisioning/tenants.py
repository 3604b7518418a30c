"""Accounts and what belongs to them, in Postgres."""

from bridge.storage.provisioning.access_numbers import AccessNumbers
from bridge.storage.provisioning.accounts import Accounts
from bridge.storage.provisioning.known_callers import KnownCallers
from bridge.storage.provisioning.passcodes import Passcodes
from bridge.storage.provisioning.project_codes import ProjectCodes
from bridge.storage.provisioning.renewal import Renewal
from bridge.storage.provisioning.rooms import Rooms
from bridge.storage.provisioning.sub_accounts import SubAccounts


class PostgresTenants(Accounts, SubAccounts, Rooms, Passcodes, Renewal, AccessNumbers, ProjectCodes, KnownCallers):
    """Implements tenants.Tenants."""
