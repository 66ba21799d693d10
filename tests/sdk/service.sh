#!/usr/bin/env bash
# tests/sdk: azure-iothub, the service SDK, against hubsim.
. "$(dirname "$0")/lib.sh"

start_azure hub 127.0.0.2 --devices 250 <<<'{}'
start_azure trouble 127.0.0.3 --devices 5 --sku S1 <<'HUB'
{ "faults": [ { "kind": "throttled", "families": ["methods"], "count": 1 }, { "kind": "quota", "families": ["methods"], "count": 1 },
	{ "kind": "lost504", "families": ["methods"], "count": 1 }, { "kind": "errorBefore", "families": ["methods"] } ] }
HUB
HUB_SERVICE=$("$HUBSIM" --host-name hub.test --print-connection-string) run_js service.js
