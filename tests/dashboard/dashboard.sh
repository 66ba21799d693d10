#!/usr/bin/env bash
# tests/dashboard: installs what the tests need into their own folder, and runs them; see main.js.
set -eu
cd "$(dirname "$0")"
command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || {
	echo "the browser tests need Node.js 20 or later, with npm" >&2
	exit 1
}
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
exec node main.js
