#!/usr/bin/env bash
# tests/dashboard: installs what the tests need into their own folder, and runs them; see main.js.
set -eu
cd "$(dirname "$0")"
../lib/npm .
exec node main.js
