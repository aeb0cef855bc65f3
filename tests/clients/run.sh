#!/usr/bin/env bash
# Generates clients from a running daemon's own OpenAPI document, checks their types, and lets each run one flow.
#
# Needs: cargo, curl, node with npm, python3 with venv, and the internet once for npm and PyPI. All of it goes into
# target/clients.
set -euo pipefail
cd "$(dirname "$0")/../.."
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
sources=$PWD/tests/clients
clip=$PWD/tests/media/toy30.mp4
source tests/own_daemon.sh

out=$TARGET/clients
mkdir -p "$out"
curl --silent --show-error --fail "$url/openapi.json" --output "$out/openapi.json"

echo "== TypeScript"
cd "$out"
[ -f package.json ] || echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund \
  openapi-typescript@7.13.0 openapi-fetch@0.17.0 typescript@5.9.3 @types/node@20.19.0
npx openapi-typescript openapi.json --output api.d.ts
cp "$sources/flow.ts" flow.ts
npx tsc --strict --noUncheckedIndexedAccess --target es2022 --module nodenext --moduleResolution nodenext flow.ts
node flow.js "$url" "$(new_key typescript)" "$clip"

echo "== Python"
[ -x venv/bin/mypy ] || {
  python3 -m venv venv
  venv/bin/pip install --quiet openapi-python-client==0.29.1 mypy==1.18.2
}
PATH=$out/venv/bin:$PATH
openapi-python-client generate --path openapi.json --meta none --output-path tweenfarm_client --overwrite > generated.log 2>&1 \
  || { cat generated.log; exit 1; }
cp "$sources/flow.py" flow.py
# The generated code has its generator to answer for it; how the flow uses it is what is checked.
mypy --strict --follow-imports=silent --no-error-summary flow.py
python flow.py "$url" "$(new_key python)" "$clip"
