#!/usr/bin/env bash
# Runs Schemathesis against a daemon of its own and that daemon's own OpenAPI document: every check, no 5xx, no answer
# that the document does not describe. Then what it counted meanwhile is read as strictly as Prometheus's own parser reads.
#
# Needs: cargo, curl, python3 with venv, and the internet once, to install Schemathesis and the parser from PyPI into target/. Where
# it cannot be installed the exit status is 77, as for a skipped test.
# EXAMPLES=200 tests/schemathesis.sh asks for more examples of each operation.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=4.32.5
PARSER=0.26.0
EXAMPLES=${EXAMPLES:-40}
TARGET=${CARGO_TARGET_DIR:-$PWD/target}
VENV=$TARGET/schemathesis-$VERSION

if [ ! -x "$VENV/bin/schemathesis" ]; then
  echo "== install Schemathesis $VERSION into $VENV"
  if ! { python3 -m venv "$VENV" && "$VENV/bin/pip" install --quiet "schemathesis==$VERSION"; }; then
    rm -rf "$VENV"
    echo "Schemathesis could not be installed: it needs python3 with venv, and PyPI. Nothing was checked."
    exit 77
  fi
fi
"$VENV/bin/python" -c 'import prometheus_client' 2> /dev/null || "$VENV/bin/pip" install --quiet "prometheus-client==$PARSER" || true
source tests/own_daemon.sh
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
afk=$(new_named_key ann)
export THERE_VIDEO THERE_LINK
THERE_VIDEO=$(curl --silent --show-error --fail --header "X-API-Key: $afk" "$url/v2/uploads" --form file=@tests/media/toy30.mp4 |
  field url)
THERE_LINK=$(cut --delimiter=/ --fields=7 <<< "$THERE_VIDEO")

status=0
export SCHEMATHESIS_HOOKS=$PWD/tests/schemathesis_hooks.py
config=$PWD/tests/schemathesis.toml
# In the temporary folder: Schemathesis leaves notes where it runs. How soon it has made up what it sends is its own business.
check() (
  document=$1
  shift
  cd "$folder"
  "$VENV/bin/schemathesis" --config-file "$config" run "$url$document" \
    --checks all --max-examples "$EXAMPLES" --phases examples,coverage,fuzzing,stateful --workers 1 \
    --request-timeout 30 --generation-database none --seed 1 --suppress-health-check too_slow "$@"
)
echo "== every route but the one that takes away the key it is called with"
check /openapi.json --header "Authorization: Bearer $ann" --exclude-path /api-tokens || status=1
echo "== /api-tokens"
check /openapi.json --header "Authorization: Bearer $(new_key bob)" --include-path /api-tokens || status=1
echo "== the Apiframe API"
check /v2/openapi.json --header "X-API-Key: $afk" || status=1

echo "== the metrics"
if "$VENV/bin/python" -c 'import prometheus_client' 2> /dev/null; then
  # Two families of one name, a counter without _total, a bucket that falls: the parser of OpenMetrics takes none of it.
  operate /metrics | "$VENV/bin/python" -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
read = list(families(sys.stdin.read()))
samples = sum(len(family.samples) for family in read)
print(f"{len(read)} families, {samples} samples")
sys.exit(len(read) < 20 or samples < 60)' || status=1
else
  echo "skipped: prometheus-client could not be installed from PyPI"
fi

if grep -q "panicked" "$folder/log"; then
  grep "panicked" "$folder/log"
  status=1
fi
exit "$status"
