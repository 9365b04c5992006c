"""Rules about secrets: they come from the environment, and the environment holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from custom_router.check.config import Config, KeyPath
from custom_router.check.finding import CheckFinding, Severity

_FROM_ENVIRONMENT = "os.environ/"
_MASTER_KEY = ("general_settings", "master_key")
_LITELLMS_OWN = "LITELLM_MASTER_KEY"
"""What LiteLLM takes for the master key where the file names none."""
_OPEN = "without one LiteLLM asks nobody for a key, and no cap, budget or team holds"
_SECRET_NAME = re.compile(
    r"(?:api_?key|secret|secret_key|secret_access_key|access_key_id|session_token|ad_token|auth_token|password"
    r"|master_key|salt_key|database_url|authorization)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"^(?:Bearer\s+)?(?:sk-|xai-|gsk_|hf_|AIza|AKIA)[\w-]{12,}$")


def literals(config: Config) -> Iterator[CheckFinding]:
    """No secret stands in the file. The finding never repeats it."""
    for path, value in config.leaves():
        if not isinstance(value, str) or not value or value.startswith(_FROM_ENVIRONMENT):
            continue
        name = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        if _SECRET_NAME.search(name) or _SECRET_VALUE.match(value):
            variable = re.sub(r"\W", "_", name).upper()
            mend = f"put it into an environment variable and write `os.environ/{variable}`; change it if it was shared"
            yield config.finding(Severity.ERROR, path, "a secret is written in the file", mend)


def unset(config: Config, variables: Mapping[str, str]) -> dict[str, KeyPath]:
    """Environment variables that the file names and that are not set, each with where it is first named."""
    found: dict[str, KeyPath] = {}
    for path, value in config.leaves():
        if isinstance(value, str) and value.startswith(_FROM_ENVIRONMENT):
            name = value.removeprefix(_FROM_ENVIRONMENT)
            if not variables.get(name):
                found.setdefault(name, path)
    return found


def environment(config: Config, variables: Mapping[str, str], *, required: bool) -> Iterator[CheckFinding]:
    """Every environment variable that the file names is set; one finding each."""
    severity = Severity.ERROR if required else Severity.WARNING
    for name, path in unset(config, variables).items():
        open_to_all = f": {_OPEN}" if path == _MASTER_KEY else ""
        yield config.finding(severity, path, f"{name} is not set{open_to_all}", f"export {name}=...")


def master_key(config: Config, variables: Mapping[str, str]) -> Iterator[CheckFinding]:
    """The proxy asks for keys. Where the file names a variable for the master key, `environment` looks after it: files
    are checked where secrets are not known, too."""
    general = config.section("general_settings")
    if general.get("master_key") or general.get("custom_auth") or variables.get(_LITELLMS_OWN):
        return
    mend = f"add `master_key: {_FROM_ENVIRONMENT}{_LITELLMS_OWN}`"
    yield config.finding(Severity.ERROR, _MASTER_KEY, f"there is no master key: {_OPEN}", mend)
