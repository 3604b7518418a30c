"""Accounts and what belongs to them, in Postgres."""

from bridge.storage.provisioning.access_numbers import PostgresAccessNumbers
from bridge.storage.provisioning.accounts import PostgresAccounts
from bridge.storage.provisioning.known_callers import PostgresKnownCallers
from bridge.storage.provisioning.passcodes import PostgresPasscodes
from bridge.storage.provisioning.project_codes import PostgresProjectCodes
from bridge.storage.provisioning.renewal import PostgresPasscodeRenewal
from bridge.storage.provisioning.rooms import PostgresRooms
from bridge.storage.provisioning.short_passcodes import PostgresShortPasscodes
from bridge.storage.provisioning.sub_accounts import PostgresSubAccounts
from bridge.storage.provisioning.trunks import PostgresTrunks


class PostgresTenants(
    PostgresAccounts,
    PostgresSubAccounts,
    PostgresRooms,
    PostgresPasscodes,
    PostgresPasscodeRenewal,
    PostgresShortPasscodes,
    PostgresAccessNumbers,
    PostgresTrunks,
    PostgresProjectCodes,
    PostgresKnownCallers,
):
    """Implements provisioning_ports.Tenants, one base class a subject."""
