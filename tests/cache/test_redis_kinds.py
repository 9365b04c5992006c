"""Real servers of the other kinds: a cluster, one behind Sentinel, one that speaks TLS, one with access rules."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from custom_router.cache.base import Selector, StoreFailed
from custom_router.cache.redis_store import RedisStore
from custom_router.conversations import place
from custom_router.demo.stack import free_port
from custom_router.policy import CachePolicy
from custom_router.policy.cache import RedisPolicy
from custom_router.request import RequestView
from custom_router.shared_floors import SharedFloors
from custom_router.tiers import Tier
from tests.cache.cache_requests import entry, eventually, unit
from tests.cache.redis_server import RedisServer


def opened(url: str) -> RedisStore:
    policy = CachePolicy.model_validate({"redis": {"url": url, "deadline_ms": 3000}})
    assert policy.redis is not None
    return RedisStore(policy, policy.redis)


async def works(url: str) -> None:
    """One worker's entry reaches another, and so does its invalidation."""
    one, other = opened(url), opened(url)
    other.holds("")
    await eventually(lambda: other.connected)
    stored = entry()
    await one.put(stored)
    await eventually(lambda: other.holds(stored.partition))
    assert await other.get(stored.partition, stored.id) == stored
    assert [near.id for near in await other.nearest(stored.partition, unit(1.0), 4)] == [stored.id]
    assert [found.text for found in await other.find(Selector(), 10)] == ["q"]
    assert await one.drop(Selector(tenant=stored.tenant)) == 1
    await eventually(lambda: not other.holds(stored.partition))
    await one.close()
    await other.close()
    await tells_tiers(RedisPolicy(url=url, deadline_ms=3000))


async def tells_tiers(settings: RedisPolicy) -> None:
    """What a conversation reached in one worker another is told, of all its turns at once."""
    one, other = SharedFloors(60.0), SharedFloors(60.0)
    turns = [turn for number in range(40) for turn in (f"And {number}?", "So.")]
    for end in (1, 3, 5):
        one.reach(settings, place(said(turns[:end]), "t"), Tier.MEDIUM)
    await one.settled()
    for end, tier in ((3, Tier.MEDIUM), (21, Tier.MEDIUM), (79, None)):
        here = place(said(turns[:end]), "t")
        assert await other.floor(settings, here, here.answered) is tier, end
    for floors in (one, other):
        floors.close()
        await floors.settled()


def said(texts: Sequence[str]) -> RequestView:
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return RequestView.from_chat({"messages": messages})


def command(server: RedisServer, *words: str) -> None:
    subprocess.run(["redis-cli", "-p", str(server.port), *words], check=True, capture_output=True, timeout=30)


async def test_a_cluster(tmp_path: Path, vector_sets: bool) -> None:
    # By itself it would take the port 10,000 above its own, which there need not be.
    bus = ["--cluster-port", str(free_port())]
    server = RedisServer(
        tmp_path, "--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", *bus, vector_sets=vector_sets
    )
    command(server, "cluster", "addslotsrange", "0", "16383")

    def ready() -> bool:
        words = ["redis-cli", "-p", str(server.port), "cluster", "info"]
        return b"cluster_state:ok" in subprocess.run(words, check=True, capture_output=True, timeout=30).stdout

    await eventually(ready)
    await works(server.url.replace("redis://", "redis+cluster://").removesuffix("/0"))
    server.close()


async def test_sentinel(tmp_path: Path, redis_server: RedisServer) -> None:
    command(redis_server, "config", "set", "requirepass", "of-master")
    rules = tmp_path / "sentinel.conf"
    monitored = f"sentinel monitor shop 127.0.0.1 {redis_server.port} 1\nsentinel auth-pass shop of-master\n"
    rules.write_text(f"requirepass of-sentinel\n{monitored}")
    sentinel = RedisServer(tmp_path, config=rules, sentinel=True)
    url = f"redis+sentinel://:of-master@127.0.0.1:{sentinel.port}/shop/0"
    await works(f"{url}?sentinel_password=of-sentinel")
    with pytest.raises(StoreFailed):
        await opened(url).get(entry().partition, entry().id)
    sentinel.close()


async def test_sentinel_with_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    proof = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    trust = ["--tls-ca-cert-file", str(certificate), "--tls-replication", "yes"]
    server = RedisServer(tmp_path, *proof, *trust, tls=True)
    rules = tmp_path / "sentinel.conf"
    rules.write_text(f"sentinel monitor shop 127.0.0.1 {server.port} 1\n")
    sentinel = RedisServer(tmp_path, *proof, *trust, config=rules, sentinel=True, tls=True)
    await works(f"rediss+sentinel://127.0.0.1:{sentinel.port}/shop/0?ssl_ca_certs={certificate}")
    sentinel.close()
    server.close()


async def test_access_rules(redis_server: RedisServer) -> None:
    command(
        redis_server,
        "acl",
        "setuser",
        "router",
        "on",
        ">pw",
        "~shop:*",
        "+@all",
        "-@admin",
        "-@dangerous",
        "-@scripting",
    )
    policy = CachePolicy.model_validate(
        {"redis": {"url": redis_server.url.replace("//", "//router:pw@"), "deadline_ms": 3000, "prefix": "shop"}}
    )
    assert policy.redis is not None
    await tells_tiers(policy.redis)
    store = RedisStore(policy, policy.redis)
    await store.put(entry())
    assert await store.get(entry().partition, entry().id) is not None
    assert await store.drop(Selector()) == 1
    await store.close()
    other = CachePolicy.model_validate(
        {"redis": {"url": redis_server.url.replace("//", "//router:pw@"), "deadline_ms": 3000, "prefix": "elsewhere"}}
    )
    assert other.redis is not None
    refused = RedisStore(other, other.redis)
    with pytest.raises(StoreFailed):
        await refused.put(entry())
    await refused.close()


async def test_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server = RedisServer(
        tmp_path, "--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no", tls=True
    )
    await works(f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={certificate}")
    with pytest.raises(StoreFailed):  # a certificate that nobody vouches for
        await opened(f"rediss://127.0.0.1:{server.port}/0").get(entry().partition, entry().id)
    server.close()


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "redis.crt", folder / "redis.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
