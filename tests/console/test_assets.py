"""The console's files as they are served: headers, caching, nothing inline, all of them in the wheel."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hatchling.builders.wheel import WheelBuilder

from custom_router.console.assets import INDEX, load_assets
from custom_router.console.routes import build_console_routes

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "custom_router" / "console" / "static"
SCRIPTS = {name: asset.content.decode() for name, asset in load_assets().items() if name.endswith(".js")}


def client(root_path: str = "") -> TestClient:
    app = FastAPI()
    app.include_router(build_console_routes())
    return TestClient(app, root_path=root_path, follow_redirects=False)


@pytest.mark.parametrize("path", ["/router/", "/router/assets/app.js", "/router/assets/base.css", "/router"])
def test_every_answer_is_locked_down(path: str) -> None:
    answer = client().get(path)
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_an_unchanged_file_is_not_sent_again() -> None:
    first = client().get("/router/assets/app.js")
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    again = client().get("/router/assets/app.js", headers={"If-None-Match": f'W/{first.headers["etag"]}, "other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client().get("/router/assets/app.js", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "path", ["nothing.js", "../routes.py", "..%2froutes.py", "%2e%2e/assets.py", "", "index.html", "/etc/passwd"]
)
def test_nothing_else_is_served(path: str) -> None:
    assert client().get(f"/router/assets/{path}").status_code == 404


def test_it_works_behind_a_root_path() -> None:
    served = client("/proxy")
    assert served.get("/proxy/router").headers["location"] == "router/"
    assert served.get("/proxy/router/").status_code == 200
    page = (STATIC / INDEX).read_text(encoding="utf-8")
    for url in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert served.get(f"/proxy/router/{url}").status_code == 200, url


def test_modules_import_only_what_is_there() -> None:
    known = load_assets()
    for name, text in SCRIPTS.items():
        folder = Path(name).parent
        for target in re.findall(r'(?:^import .* from |import\()"([^"]+)"', text, re.MULTILINE):
            path = (STATIC / folder / target).resolve().relative_to(STATIC)
            assert target.startswith("."), (name, target)
            assert str(path) in known, (name, target)


@pytest.mark.parametrize(
    "pattern",
    [
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment",
        r"\beval\(|new Function|setTimeout\([\"'`]",
        r"https?://(?!www\.w3\.org/2000/svg)",
        r"localStorage\.setItem\((?!\"tier-router-theme\")",
    ],
)
def test_no_script_makes_markup_or_reaches_out(pattern: str) -> None:
    code = {name: re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE) for name, text in SCRIPTS.items()}
    assert [name for name, text in code.items() if re.search(pattern, text)] == []


def test_the_page_holds_nothing_inline() -> None:
    page = (STATIC / INDEX).read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)


def test_modules_stay_small() -> None:
    assert [name for name, text in SCRIPTS.items() if text.count("\n") > 300] == []


def test_the_wheel_holds_every_file(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"custom_router/console/static/{name}" for name in load_assets()} <= names
