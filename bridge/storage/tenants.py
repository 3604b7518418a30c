"""Accounts and what belongs to them, in Postgres."""

from bridge.storage.access_numbers import AccessNumbers
from bridge.storage.accounts import Accounts
from bridge.storage.passcodes import Passcodes
from bridge.storage.sub_accounts import SubAccounts
from bridge.storage.tariffs import Tariffs


class PostgresTenants(Accounts, SubAccounts, Passcodes, AccessNumbers, Tariffs):
    """Implements ports.Tenants."""
