"""The state of Asterisk's modules, by ARI."""

from typing import Final

from bridge.asterisk.ari.client import Ari, AriFailed

CEL_CUSTOM: Final = "cel_custom.so"
"""The module that writes the journal."""
NOT_LOADED: Final = (404, 409)


async def running(ari: Ari, name: str) -> bool | None:
    """Return True if a module is loaded and has not declined, None if ARI can't say. Raises AriUnreachable."""
    try:
        module = await ari.request("GET", f"asterisk/modules/{name}")
    except AriFailed as error:
        return False if error.status in NOT_LOADED else None
    return isinstance(module, dict) and module.get("status") == "Running"
