#!/usr/bin/env bash
# The browser studio, driven in a headless Chromium through a whole render, with the keyboard and at the width of a phone.
#
# Needs: cargo, curl, python3, node with npm, chromium, and the internet once for npm. What it gets goes into target/studio; pictures
# of the pages are left there.
set -euo pipefail
cd "$(dirname "$0")/../.."
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
sources=$PWD/tests/studio
clip=$PWD/tests/media/toy30.mp4
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) \
  || { echo "the studio's test needs Chromium: apt-get install chromium"; exit 1; }
cargo build --quiet --locked -p tweenfarm-agent --bins
source tests/own_daemon.sh

"$TARGET/debug/tweenfarm-agent" run --daemon "$folder/agents.sock" --state "$folder/agent" 2> "$folder/agent.log" &
agent=$!
trap 'kill -9 "$agent" "$daemon" 2> /dev/null; wait 2> /dev/null || true; rm -rf "$folder"' EXIT

out=$TARGET/studio
mkdir -p "$out"
cp "$sources/drive.mjs" "$out/"
cd "$out"
[ -f package.json ] || echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund puppeteer-core@24.10.0
node drive.mjs "$url" "$(new_key studio)" "$clip" "$browser" || { tail -n 20 "$folder/log" "$folder/agent.log"; exit 1; }
