"""Records in a bucket, read through DuckDB's httpfs extension."""

from __future__ import annotations

import os
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from custom_router.reports.store import RecordsUnreadable, told

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCHEMES = ("s3", "s3a", "s3n")
_NEEDED = (
    "reading s3:// needs {}. "
    "`pip install 'litellm-tier-router[s3]'` brings it, or `INSTALL httpfs` in a DuckDB of the same version"
)


def open_remote(connection: DuckDBPyConnection, records: str) -> None:
    """Make the connection able to read `s3://` with the credentials that AWS's own tools would use.

    `AWS_ENDPOINT_URL_S3`, or `AWS_ENDPOINT_URL`, names another service than Amazon's. Raises `RecordsUnreadable`.
    """
    if urlsplit(records).scheme not in _SCHEMES:
        raise RecordsUnreadable("only s3:// addresses can be read; copy the files here, or name a folder")
    _load_httpfs(connection)
    with told():
        connection.execute(_secret())


def listed(connection: DuckDBPyConnection, pattern: str) -> list[str]:
    """The files that a pattern matches, in order."""
    rows = connection.execute("SELECT file FROM glob(?) ORDER BY file", [pattern]).fetchall()
    return [file for (file,) in rows]


def _load_httpfs(connection: DuckDBPyConnection) -> None:
    import duckdb

    package = util.find_spec("duckdb_extension_httpfs")
    shipped = f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"
    places = [str(Path(folder) / shipped) for folder in (package.submodule_search_locations or [] if package else [])]
    for place in ["httpfs", *(place for place in places if Path(place).is_file())]:
        try:
            connection.load_extension(place)  # DuckDB checks its makers' signature
            return
        except duckdb.Error:
            continue
    raise RecordsUnreadable(_NEEDED.format(f"DuckDB's httpfs extension for version {duckdb.__version__}"))


def _secret() -> str:
    """The statement that tells DuckDB the credentials. They stay in its memory."""
    try:
        import boto3
    except ImportError:
        raise RecordsUnreadable(_NEEDED.format("boto3 for the credentials")) from None

    session = boto3.Session()
    options = {"REGION": session.region_name or "us-east-1"}
    if (found := session.get_credentials()) is not None:
        frozen = found.get_frozen_credentials()
        options |= {"KEY_ID": frozen.access_key, "SECRET": frozen.secret_key}
        if frozen.token:
            options["SESSION_TOKEN"] = frozen.token
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(endpoint)
        options |= {"ENDPOINT": parts.netloc, "URL_STYLE": "path", "USE_SSL": str(parts.scheme == "https").lower()}
    given = "".join(f", {name} '{value.replace(chr(39), chr(39) * 2)}'" for name, value in options.items())
    return f"CREATE SECRET (TYPE s3{given})"
