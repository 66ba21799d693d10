# tests/e2e: what hubsim's journal says happened, against what the service says. $journal, $targets and $events are
# lists of their lines. Each check gives a line for all that is wrong, so nothing if all is well.

def ms: (.[:19] + "Z" | fromdate) * 1000 + (.[20:23] | tonumber);

# By device: how often it was called and acted, whether it reported an action afterwards, its calls.
def facts:
	reduce $journal[] as $j ({};
		.[$j.deviceId] |= (. // {calls: 0, acts: 0, reported: false, ids: []})
		| if $j.kind == "call" then .[$j.deviceId] |= (.calls += 1 | .ids += [$j.attemptId])
		  elif $j.kind == "act" then .[$j.deviceId].acts += 1
		  elif $j.kind == "report" and .[$j.deviceId].acts > 0 and $j.payload.iothubDM.reboot.lastReboot then
			.[$j.deviceId].reported = true
		  else . end);

def facts_of($facts): $facts[.deviceId] // {calls: 0, acts: 0, reported: false, ids: []};

def acted_twice: facts | to_entries[] | select(.value.acts > 1) | "\(.key) acted \(.value.acts) times";

# Two calls that were at one device at the same time.
def overlaps:
	foreach ($journal[] | select(.kind == "call" or .kind == "end")) as $j ({};
		.wrong = null
		| if $j.kind == "end" then .out[$j.deviceId] -= 1
		  else .out[$j.deviceId] += 1
			| if .out[$j.deviceId] > 1 then .wrong = "\($j.deviceId) had \(.out[$j.deviceId]) calls at \($j.at)" else . end
		  end;
		.wrong // empty);

# Every call that reached a device is on record, under its own attempt id, and none is on record that the hub answered
# and no device has seen.
def unrecorded:
	facts as $facts | $targets[] | .deviceId as $device | facts_of($facts) as $f
	| ([.attempts[].attemptId] | unique) as $known
	| (($f.ids - $known)[] | "\($device) was called with \(.), which is not on record"),
	  ([.attempts[] | select(.outcome == "answered")] | length) as $answered
	| if $answered > $f.calls or $f.calls > (.attempts | length) then
		"\(.deviceId) was called \($f.calls) times, on record are \(.attempts | length), answered \($answered)" else empty end;

# The most devices that a call kept from their work at once: from the call until they are back, or, where they did
# not act, until its end. Those that never come back are left out: no limit brings them back.
def most_away:
	([$journal[] | select(.kind == "joined") | {key: "\(.deviceId)", value: .at}] | group_by(.key)
		| map({key: .[0].key, value: map(.value)}) | from_entries) as $joins
	| [ $journal[] | select(.kind == "act") | {key: "\(.call)", value: true} ] | from_entries as $acts
	| [ $journal[] | select(.kind == "end") | {key: "\(.call)", value: .at} ] | from_entries as $ends
	| [ $journal[] | select(.kind == "call") | . as $call
		| (if $acts["\(.call)"] then [($joins[.deviceId] // [])[] | select(. > $call.at)] | first else $ends["\(.call)"] end) as $back
		| select($back) | {at, n: 1}, {at: $back, n: -1} ]
	| sort_by(.at, .n) | reduce .[] as $e ({n: 0, most: 0}; .n += $e.n | .most = ([.most, .n] | max)) | .most;

# The most targets in a state of a call that is not settled, after any commit.
def most_out:
	def out: . == "invoking" or . == "doubtful" or . == "awaitingProof";
	[$events[] | select(.type == "target") | {at, n: ((if .to | out then 1 else 0 end) - (if .from | out then 1 else 0 end))}]
	| sort_by(.at, .n) | reduce .[] as $e ({n: 0, most: 0}; .n += $e.n | .most = ([.most, .n] | max)) | .most;

# What a target's end is, in one word.
def verdict: if .state == "succeeded" then "proven" else (.reason // .state) end;

# Outcomes after which a device may or may not have acted.
def is_doubt: . == "ambiguous" or . == "crash";

def tally: [$targets[] | verdict] | group_by(.) | map("\(.[0]) \(length)") | join(", ");

def kinds: [$targets[] | verdict] | unique | join(" ");

def unfinished: $targets[] | select(.state == "succeeded" or .state == "failed" or .state == "skipped" | not)
	| "\(.deviceId) is \(.state)";

# What ends are right for a device of which the journal says this; $repeats: a call in doubt may be repeated after
# evidence that the device did not act.
def right_ends($f; $repeats):
	any(.attempts[]; .outcome | is_doubt) as $doubt
	| if $f.acts > 0 and $f.reported then ["proven"]
	  # a call before the one that it answered may have been in doubt, and shown not to have acted
	  elif $f.acts > 0 then (if $doubt and .attempts[-1].outcome != "answered" then ["unknown", "offlineExpired"] else ["noProof"] end)
	  # refused once, and the second call was lost on its way
	  elif ($repeats | not) and (.attempts[-1].outcome | is_doubt) then ["unknown"]
	  elif .methodStatus == 404 then ["noMethod"]
	  elif (.methodStatus // 0) >= 400 then ["refused"]
	  elif .methodStatus == 200 then ["noProof"]
	  elif $doubt then (if $repeats then ["offlineExpired"] else ["unknown"] end)
	  else ["offlineExpired"] end;

def misjudged($repeats): facts as $facts | $targets[] | verdict as $verdict | facts_of($facts) as $f
	| right_ends($f; $repeats) as $right | select($right | index($verdict) | not)
	| "\(.deviceId) ended \($verdict), not \($right | join(" or ")); it acted \($f.acts) times in \($f.calls) calls";
def misjudged: misjudged($repeats);

def repeated: $targets[] | (.attempts | map(.outcome | is_doubt) | index(true)) as $at
	| select($at != null and $at + 1 < (.attempts | length)) | "\(.deviceId) was called after a call in doubt";

def misproven: facts as $facts | $targets[] | verdict as $verdict | facts_of($facts) as $f
	| select(($verdict == "proven") != ($f.acts == 1)) | "\(.deviceId) ended \($verdict), it acted \($f.acts) times";

def not_unknown: $targets[] | verdict as $verdict | select($verdict != "proven")
	| select($verdict != "unknown" or (.attempts[-1].outcome | is_doubt | not)) | "\(.deviceId) ended \($verdict)";

def cut_short: [$targets[] | .attempts[].outcome | select(. == "crash")] | length;

def doubts: [$targets[] | .attempts[].outcome | select(is_doubt)] | length;
