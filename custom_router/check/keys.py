"""Rules about secrets: they come from the environment, and the environment holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from custom_router.check.config import Config
from custom_router.check.finding import CheckFinding, Severity

_FROM_ENVIRONMENT = "os.environ/"
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


def environment(config: Config, variables: Mapping[str, str], *, required: bool) -> Iterator[CheckFinding]:
    """Every environment variable that the file names is set; one finding each, where it is first named."""
    named: set[str] = set()
    for path, value in config.leaves():
        if not isinstance(value, str) or not value.startswith(_FROM_ENVIRONMENT):
            continue
        variable = value.removeprefix(_FROM_ENVIRONMENT)
        if variable in named or variables.get(variable):
            continue
        named.add(variable)
        severity = Severity.ERROR if required else Severity.WARNING
        yield config.finding(severity, path, f"{variable} is not set", f"export {variable}=...")
