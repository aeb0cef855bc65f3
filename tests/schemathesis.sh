#!/usr/bin/env bash
# Runs Schemathesis against a daemon of its own and that daemon's own OpenAPI document: every check, no 5xx, no answer
# that the document does not describe.
#
# Needs: cargo, curl, python3 with venv, and the internet once, to install Schemathesis from PyPI into target/. Where
# it cannot be installed the exit status is 77, as for a skipped test.
# EXAMPLES=200 tests/schemathesis.sh asks for more examples of each operation.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=4.32.5
EXAMPLES=${EXAMPLES:-40}
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
VENV=$TARGET/schemathesis-$VERSION
DAEMON=$TARGET/debug/tweenfarmd

if [ ! -x "$VENV/bin/schemathesis" ]; then
  echo "== install Schemathesis $VERSION into $VENV"
  if ! { python3 -m venv "$VENV" && "$VENV/bin/pip" install --quiet "schemathesis==$VERSION"; }; then
    rm -rf "$VENV"
    echo "Schemathesis could not be installed: it needs python3 with venv, and PyPI. Nothing was checked."
    exit 77
  fi
fi
cargo build --quiet --locked -p tweenfarm-daemon --bin tweenfarmd

folder=$(mktemp -d)
# Fast enough to be limited: the limits have tests of their own, and here every request is to reach its route.
export TWEENFARMD__LIMITS__REQUESTS_PER_SECOND_ADDRESS=1000000 TWEENFARMD__LIMITS__REQUESTS_PER_SECOND_KEY=1000000
"$DAEMON" --state-folder "$folder" --http-listen 127.0.0.1:0 --rpc-listen 127.0.0.1:0 2> "$folder/log" > /dev/null &
daemon=$!
trap 'kill "$daemon" 2> /dev/null; wait "$daemon" 2> /dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
  [ -s "$folder/addresses.json" ] && break
  kill -0 "$daemon" 2> /dev/null || { cat "$folder/log"; exit 1; }
  sleep 0.1
done

# The value of a field of a JSON object on standard input.
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
url=$(field public_url < "$folder/addresses.json")
new_key() {
  curl --silent --show-error --fail --unix-socket "$folder/operator.sock" http://operator/operator/users \
    --data "{\"email\":\"$1@example.org\",\"xeconds\":100000}" | field api_key
}
ann=$(new_key ann)
ask() { curl --silent --show-error --fail --header "Authorization: Bearer $ann" "$@"; }

# Something that is really there, for the hooks.
presigned=$(ask "$url/upload/presign" --data '{"filename":"toy.mp4","content_type":"video/mp4"}')
curl --silent --show-error --fail --upload-file tests/media/toy30.mp4 --header "Content-Type: video/mp4" \
  "$(field upload_url <<< "$presigned")"
export THERE_KEY THERE_PROJECT THERE_FILE THERE_JOB THERE_TOKEN
THERE_KEY=$(field key <<< "$presigned")
THERE_PROJECT=$(field project_id <<< "$presigned")
THERE_FILE=$(field file_id <<< "$presigned")
THERE_JOB=$(ask "$url/jobs" --data "{\"r2_key\":\"$THERE_KEY\",\"target_fps\":60}" | field job_id)
THERE_TOKEN=$(ask --request POST "$url/projects/$THERE_PROJECT/share" | field share_token)

status=0
export SCHEMATHESIS_HOOKS=$PWD/tests/schemathesis_hooks.py
config=$PWD/tests/schemathesis.toml
# In the temporary folder: Schemathesis leaves notes where it runs.
check() (
  cd "$folder"
  "$VENV/bin/schemathesis" --config-file "$config" run "$url/openapi.json" \
    --checks all --max-examples "$EXAMPLES" --phases examples,coverage,fuzzing,stateful --workers 2 \
    --request-timeout 30 --generation-database none --seed 1 "$@"
)
echo "== every route but the one that takes away the key it is called with"
check --header "Authorization: Bearer $ann" --exclude-path /api-tokens || status=1
echo "== /api-tokens"
check --header "Authorization: Bearer $(new_key bob)" --include-path /api-tokens || status=1

if grep -q "panicked" "$folder/log"; then
  grep "panicked" "$folder/log"
  status=1
fi
exit "$status"
