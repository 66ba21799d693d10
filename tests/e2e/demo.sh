#!/usr/bin/env bash
# tests/e2e: deploy/local/demo, as the README tells a newcomer to call it.
. "$(dirname "$0")/lib.sh"

demo=$e2e/../../deploy/local/demo
"$demo" --once >"$folder/demo.log" 2>&1
it "the demonstration ends with status 0" is $? 0
it "1,000 of 1,000 devices are proven" grep -qx 'completed: 1,000 of 1,000 devices proven' "$folder/demo.log"
it "it tells where to look" grep -q 'GET http://127.0.0.1:[0-9]*/v1/campaigns/' "$folder/demo.log"
"$demo" --twice >"$folder/usage.log" 2>&1
it "it refuses what it does not know" is $? 2
