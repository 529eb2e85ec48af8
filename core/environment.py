"""Which settings of the environment a contract names: addresses and credentials, never their values."""

from __future__ import annotations

import re

from core.contract import Contract


def names_of(contract: Contract) -> set[str]:
    """The environment variables that fetching the feed needs."""
    named = {str(value) for key, value in contract.server.options.items() if key in ("urlEnv", "tokenEnv")}
    return named | set(re.findall(r"\$\{([^}]+)\}", contract.server.location or ""))
