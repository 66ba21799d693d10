#!/usr/bin/env bash
# tests/e2e: recurring campaigns with the real programs: a schedule starts campaigns, each occurrence one, also over a kill;
# what comes next is told in local time and UTC; time zone data that changed moves it, and says so; unsound ones are refused.
. "$(dirname "$0")/lib.sh"

# zones NAME VERSION ZONE: a folder of time zones in which Europe/Stockholm is ZONE.
zones() {
	mkdir -p "$folder/$1/Europe" "$folder/$1/Etc"
	cp /usr/share/zoneinfo/UTC "$folder/$1/"
	cp /usr/share/zoneinfo/Etc/UTC "$folder/$1/Etc/"
	cp "/usr/share/zoneinfo/$3" "$folder/$1/Europe/Stockholm"
	echo "# version $2" >"$folder/$1/tzdata.zi"
}
zones one 2099a Europe/Stockholm
zones two 2099b Asia/Tokyo

start_hub main --devices 20 --boot-seconds 0.2-0.5 <<<'{"history": true, "leaveMs": [20, 100]}'
hub=$!
configure <<<'{}'
export TZDIR=$folder/one
start_service

campaign='{"name": "nightly", "action": {"type": "reboot"}, "targets": {"all": true}, "verify": {"settleSeconds": 0}}'
# schedule RECURRENCE: asks for one.
schedule() { ask POST /v1/schedules --data "{\"name\": \"s\", \"recurrence\": $1, \"campaign\": $campaign}"; }
schedule '{"cron": "30 2 * * *", "timeZone": "Europe/Stockholm"}'
it "a schedule is made" is "$status" 201
schedule_id=$(body_of .id)
ask GET "/v1/schedules/$schedule_id/occurrences?count=2&after=2026-03-28T00:00:00Z"
it "a local time in a gap is read with the offset before it" is "$(body_of '.value[1] | "\(.at) \(.local) \(.clockChange)"')" \
	"2026-03-29T01:30:00.000Z 2026-03-29T03:30:00+02:00 gap"
ask GET "/v1/schedules/$schedule_id/occurrences?count=1&after=2026-10-24T12:00:00Z"
it "one that exists twice is the first" is "$(body_of '.value[0] | "\(.at) \(.clockChange)"')" "2026-10-25T00:30:00.000Z overlap"

# The hub is silent until the service is killed, so that no call is on its way then: such a call may never have left.
must kill -STOP "$hub"
ask POST "/v1/schedules/$schedule_id/run"
it "a run out of turn is taken" is "${status:0:1}" 2
kill_service
must kill -CONT "$hub"
start_service
started() {
	ask GET "/v1/campaigns?schedule=$schedule_id"
	is "$(body_of '[.value[].state] | join(" ")')" completed
}
it "it has started one campaign, over a kill, which ends" wait_for 60 started
it "the campaign names its schedule" is "$(body_of '.value[0].scheduleId')" "$schedule_id"
it "all of its devices are proven" is "$(body_of '.value[0].counts.succeeded')" 20

ask GET "/v1/schedules/$schedule_id"
next=$(body_of .nextAt)
must kill "$service"
must ended "$service" 12
export TZDIR=$folder/two
start_service
ask GET /v1/system
it "the version of the time zone data is told" is "$(body_of .tzdata)" 2099b
ask GET "/v1/events?limit=1000"
moved() { body_of '.value[] | select(.type == "schedule" and .change == "moved") | '"$1"; }
it "time zone data that changed moves the next occurrence, and says so" is "$(moved '"\(.scheduleId) \(.was) \(.why)"')" \
	"$schedule_id $next time zone data 2099b instead of 2099a"
ask GET "/v1/schedules/$schedule_id"
it "that is when it comes next" is "$(body_of .nextAt)" "$(ask GET "/v1/events?limit=1000"; moved .occurrenceAt)"

# refused POINTER RECURRENCE: it is unsound there.
refused() {
	schedule "$2"
	is "$status $(body_of '[.errors[].pointer] | join(" ")')" "422 $1"
}
it "30 February is refused" refused /recurrence/cron '{"cron": "0 3 30 2 *", "timeZone": "UTC"}'
it "so it is as a rule" refused /recurrence/rrule '{"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1;BYMINUTE=0", "timeZone": "UTC"}'
it "so is a zone that is none" refused /recurrence/timeZone '{"cron": "0 3 * * *", "timeZone": "Mars/Olympus"}'
ask POST /v1/campaigns --data "$(jq -c '.schedule = {windows: [{cron: "0 * * * *", durationMinutes: 90}]}' <<<"$campaign")"
it "a window longer than its period is refused" is "$status $(body_of '.errors[0].pointer')" "422 /schedule/windows/0/durationMinutes"
record_of() { body_of '[.value[] | select(.type == "schedule") | .change] | join(" ")'; }
ask GET "/v1/events?limit=1000"
it "each turn of the schedule is an event" grep -q '^created started' <<<"$(record_of)"
