"""What the configuration that LiteLLM was started with takes from the environment and does not find there."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from custom_router.check.config import parse_config
from custom_router.check.keys import unset

logger = logging.getLogger(__name__)


def warn_of_missing_variables() -> None:
    """One log line with the names of variables that are not set, never a value. A configuration that is no file of this
    machine, or that cannot be read, is left to LiteLLM."""
    from litellm.proxy.proxy_server import user_config_file_path

    try:
        content = Path(user_config_file_path or "").read_bytes()
    except OSError:
        return
    config, _ = parse_config(content, str(user_config_file_path))
    if config is not None and (names := unset(config, os.environ)):
        logger.warning(
            "%s takes these from the environment, and they are not set: %s. What needs them will fail. "
            "Without any key: scripts/demo, in a checkout",
            user_config_file_path,
            ", ".join(names),
        )
