#!/usr/bin/env bash
# tests/sdk: azure-iothub, the service SDK, against hubsim.
. "$(dirname "$0")/lib.sh"

start_azure hub 127.0.0.2 --devices 250 <<<'{}'
start_azure trouble 127.0.0.3 --devices 2 <<<'{"faults": [{"kind": "throttled", "count": 1}, {"kind": "quota", "count": 1},
	{"kind": "lost504", "count": 1}, {"kind": "errorBefore"}]}'
HUB_SERVICE=$("$HUBSIM" --host-name hub.test --print-connection-string) run_js service.js
