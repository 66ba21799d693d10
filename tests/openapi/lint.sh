#!/usr/bin/env bash
# tests/openapi: redocly, a linter that knows OpenAPI, has nothing to say against the description, not even a warning.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
description=$here/../../api/openapi.yaml
"$here/../lib/npm" "$here"
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true # it asks nobody
lint() { "$here/node_modules/.bin/redocly" lint --config "$here/redocly.yaml" "$1"; }

lint "$description"
wrong=$(mktemp --suffix .yaml)
trap 'rm -f "$wrong"' EXIT
sed 's/^\( *example: {over\)ride: true}/\1ide: true}/' "$description" >"$wrong"
if said=$(lint "$wrong" 2>&1) || ! grep -q 'no-invalid-media-type-examples' <<<"$said"; then
	echo "an example that its schema does not allow was not found:" "$said"
	exit 1
fi
