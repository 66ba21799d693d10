#!/usr/bin/env bash
# tests/e2e: the README's commands, as they stand there, one after the other against a fleet like the demonstration's.
. "$(dirname "$0")/lib.sh"

start_hub main --devices 1000 --boot-seconds 0.2-0.5 <<<'{"answerMs": [5, 100], "reportMs": [10, 50]}'
configure <<<'{}'
start_service
fleet=$api

# Each block of commands into a file of its own, but those for a hub of one's own.
awk -v at="$folder/block" '/^```sh$/ { inside = 1; n++; next } /^```$/ { inside = 0 } inside { print > (at "-" sprintf("%02d", n)) }' \
	"$e2e/../../README.md"
# curl as it is typed, but telling of every request that fails: of those that the README has refused there is one.
curl() {
	command curl --fail-with-body "$@"
	local status=$?
	[ "$status" -ne 22 ] || echo "$*" >>"$folder/refused"
	case $status in 0 | 22 | 23 | 28) ;; *) echo "$status: $*" >>"$folder/broken" ;; esac # 23: head has enough; 28: --max-time
	return "$status"
}
rollcall() { "$ROLLCALL" "$@"; }
: >"$folder/refused"
: >"$folder/broken"
ran=0
cd "$folder" || exit 1
for block in "$folder"/block-*; do
	grep -q 'connection-string' "$block" && continue
	sed -i -e "s#^api=http[^ ]*#api=$fleet#" "$block"
	# shellcheck disable=SC1090
	. "$block" >"$block.out" 2>"$block.err"
	status=$?
	ran=$((ran + 1))
	it "README, block $ran: $(grep -m 1 . "$block" | cut -c1-60)" test "$status" = 0
	it "… and nothing in it complains on standard error" nothing sed '/^curl: (2[238]) /d' "$block.err"
done
it "there were blocks to run" test "$ran" -ge 5
it "the README has one request refused, to show how" is "$(grep -c . "$folder/refused")" "1"
it "… the one that is not sound" grep -q 'maxUnavailabel' "$folder/refused"
it "no request broke" nothing cat "$folder/broken"
