"""Asterisk's modules, asked of ARI."""

from typing import Final

from bridge.asterisk.ari.client import Ari, AriFailed

CEL_CUSTOM: Final = "cel_custom.so"
"""It writes the journal."""
NOT_THERE: Final = (404, 409)


async def running(ari: Ari, name: str) -> bool | None:
    """Whether a module is loaded and has not declined; None when ARI cannot say. Raises AriUnreachable."""
    try:
        module = await ari.request("GET", f"asterisk/modules/{name}")
    except AriFailed as error:
        return False if error.status in NOT_THERE else None
    return isinstance(module, dict) and module.get("status") == "Running"
