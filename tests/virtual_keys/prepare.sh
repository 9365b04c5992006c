#!/usr/bin/env bash
# What LiteLLM's virtual keys need, where Prisma's engine binary cannot be downloaded: the official WASM query engine
# (npm: @prisma/client) behind engine.js, which speaks the protocol that prisma-client-py expects, and the generated
# client in a folder of its own, so that .venv stays as it is. For tests only; production uses Prisma's own engine.
#
# usage: prepare.sh PYTHON WORKDIR      needs node and npm; a second run with the same WORKDIR does nothing
set -euo pipefail
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
mkdir -p "$2"
work=$(readlink -f "$2")
here=$(dirname "$(readlink -f "$0")")
wanted=$(cat "$here/prepare.sh" "$here/engine.js" "$here/version-stub.sh" | sha256sum)
[ "$(cat "$work/.prepared" 2>/dev/null || true)" != "$wanted" ] || exit 0

cd "$work"
"$python" -m pip install --quiet --disable-pip-version-check --upgrade --no-deps --target site \
  prisma==0.15.0 nodeenv==1.9.1 tomlkit==0.13.3 strenum==0.4.15
rm -rf package prisma-client-5.17.0.tgz
npm pack --silent @prisma/client@5.17.0 >/dev/null
tar xzf prisma-client-5.17.0.tgz
[ -f package.json ] || npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent \
  pg@8 @prisma/driver-adapter-utils@5.17.0 @prisma/adapter-pg@5.17.0 graphql@16 prisma@5.17.0
install -m 755 "$here/engine.js" "$here/version-stub.sh" .
: >lib.node
extras=$("$python" -c 'import litellm_proxy_extras, os; print(os.path.dirname(litellm_proxy_extras.__file__))')
sed 's/binaryTargets = .*/engineType = "binary"/' "$extras/schema.prisma" >schema.prisma
find "$extras/migrations" -name migration.sql -print0 | sort -z | xargs -0 cat >migrations.sql
# The generator is started by name, with the interpreter that its first line names.
printf '#!/bin/sh\nexec "%s" -m prisma "$@"\n' "$python" >prisma-client-py
chmod 755 prisma-client-py
PATH="$work:$PATH" PYTHONPATH="$work/site" CHECKPOINT_DISABLE=1 DATABASE_URL=postgresql://none \
  PRISMA_QUERY_ENGINE_BINARY="$work/version-stub.sh" PRISMA_SCHEMA_ENGINE_BINARY="$work/version-stub.sh" \
  PRISMA_QUERY_ENGINE_LIBRARY="$work/lib.node" \
  node node_modules/prisma/build/index.js generate --schema schema.prisma
echo "$wanted" >.prepared
