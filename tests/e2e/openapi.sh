#!/usr/bin/env bash
# tests/e2e: what the service answers is what its description, which it serves itself, says: every operation is asked, and
# each answer's status, type and body are compared with it.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 40 --seed 5 --boot-seconds 0.1-0.3 <<<'{"history": true, "answerMs": [5, 50], "reportMs": [10, 50],
	"siteSize": 10, "tempers": {"refusing": 0.3, "offline": 0.2}}'
configure <<<'{}'
start_service
it "every answer is as the description says, and every operation was seen to succeed" \
	nothing /usr/bin/python3 "$e2e/openapi.py" "$api"
