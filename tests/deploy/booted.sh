#!/usr/bin/env bash
# tests/deploy: run by package.sh inside a system that systemd has booted; says what holds, a line each. Arguments: none; the
# packages and hubsim are beside it.
cd "$(dirname "$0")" || exit 1
export LC_ALL=C
it() {
	local sentence=$1
	shift
	if "$@" >said 2>&1; then
		echo "ok      $sentence"
	else
		echo "FAILED  $sentence"
		echo "        $*"
		head -c 2000 said
	fi
}
is() { [ "$1" = "$2" ] || { printf 'got      %s\nexpected %s\n' "$1" "$2"; return 1; }; }
wait_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$until" ] || return 1
		sleep 0.05
	done
}
of() { systemctl show --value -p "$1" rollcalld; }

it "the packages install" dpkg -i ./rollcalld_*.deb ./rollcall_*.deb ./rollcall-agent_*.deb
it "no service is enabled by that" is "$(systemctl is-enabled rollcalld rollcall-agent rollcall-agent-reboot.path 2>&1 | sort -u)" disabled
it "none is started" is "$(systemctl is-active rollcalld rollcall-agent | sort -u)" inactive
it "programs, manual pages, completion and example are in place" test -x /usr/bin/rollcalld -a -x /usr/bin/rollcall -a \
	-x /usr/bin/rollcall-agent -a -s /usr/share/man/man8/rollcalld.8.gz -a -s /usr/share/man/man1/rollcall.1.gz -a \
	-s /usr/share/bash-completion/completions/rollcall -a -s /usr/share/doc/rollcalld/examples/rollcalld.json
it "what the unit names as its documentation is there" test -s "$(systemctl show --value -p Documentation rollcalld | tr ' ' '\n' | sed -n 's|^file://||p')"
it "the folder of secrets is root's alone" is "$(stat -c '%U %a' /etc/rollcall/secrets)" "root 700"
it "systemd finds the unit sound" systemd-analyze verify rollcalld.service
it "a start without settings fails" bash -c '! systemctl start rollcalld'
it "… and says why" wait_for 10 bash -c 'journalctl -u rollcalld | grep -q "rollcalld.json cannot be read"'
systemctl stop rollcalld

# --- as README.md has it ---

./hubsim --listen 127.0.0.1:8081 --devices 300 --boot-seconds 0.2-0.5 --temperament temperament --journal journal >hubsim.log 2>&1 &
(umask 077; ./hubsim --print-connection-string >/etc/rollcall/secrets/hub)
jq '.logFormat = "json" | .tokensFile = "/etc/rollcall/tokens.json" |
	.hubs[0] += {sku: "none", endpoint: "http://127.0.0.1:8081", trackIntervalMs: 200}' \
	/usr/share/doc/rollcalld/examples/rollcalld.json >/etc/rollcall/rollcalld.json
rollcalld token new --name eva --role admin >token
tail -n +2 token | jq -s . >/etc/rollcall/tokens.json
export ROLLCALL_TOKEN
ROLLCALL_TOKEN=$(head -n 1 token)
it "it is enabled and started, which ends when it takes orders" systemctl enable --now rollcalld
it "health finds it ready" rollcalld health
pid=$(of MainPID)
of_process() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status" | cut -f1; }
it "it runs as a user that is not root" test "$(of_process Uid)" -ge 1000
it "it has no capability, and can get none" is "$(of_process CapEff) $(of_process CapBnd) $(of_process NoNewPrivs)" "0000000000000000 0000000000000000 1"
it "its system calls are filtered" is "$(of_process Seccomp)" 2
it "the secret is given to it, and to nobody else" is "$(stat -c %a "/proc/$pid/root/run/credentials/rollcalld.service/secret_hub")" 400

cat >spec <<'SPEC'
{ "name": "packaged", "action": {"type": "reboot"}, "targets": {"all": true}, "rollout": {"maxUnavailable": 60},
  "verify": {"settleSeconds": 1} }
SPEC
id=$(rollcall run --file spec)
proven() { [ "$(rollcall show "$id" -o json | jq .counts.succeeded)" -ge "$1" ]; }
it "a campaign is on its way" wait_for 30 proven 60
it "a restart in the middle of it works" systemctl restart rollcalld
it "the stop was a clean one" bash -c 'journalctl -u rollcalld -o cat | grep -F "\"message\":\"stopped\"" | tail -n 1 | grep -qF "\"status\":0"'
it "the campaign goes on to its end, all proven" rollcall watch "$id"
it "no device acted twice" is "$(jq -rs '[.[] | select(.kind == "act").deviceId] | group_by(.) | map(select(length > 1)) | length' journal)" 0
rollcalld token new --name ida --role viewer | tail -n +2 | cat - <(tail -n +2 token) | jq -s . >/etc/rollcall/tokens.json
it "a reload has it read the tokens again" systemctl reload rollcalld
it "… which it says" wait_for 10 bash -c 'journalctl -u rollcalld -o cat | grep -q "file read again"'

# --- its socket ---

systemctl stop rollcalld
it "its socket is enabled and started" systemctl enable --now rollcalld.socket
it "who comes has the service started" is "$(curl -sS --max-time 20 http://127.0.0.1:8080/readyz -o /dev/null -w '%{http_code}')" 200
systemctl restart rollcalld --no-block
it "a restart refuses nobody" is "$(for ((i = 0; i < 20; i++)); do curl -sS --max-time 20 http://127.0.0.1:8080/livez -o /dev/null -w '%{http_code}\n'; done | sort -u)" 200
systemctl -q disable --now rollcalld.socket
systemctl restart rollcalld

# --- trouble ---

pid=$(of MainPID)
kill -9 "$pid"
back() { [ "$(of MainPID)" != "$pid" ] && rollcalld health; }
it "killed, it is back" wait_for 20 back
it "with all that it knew" proven 300
mkdir -p /run/systemd/system/rollcalld.service.d
printf '[Service]\nWatchdogSec=1\n' >/run/systemd/system/rollcalld.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart rollcalld
pid=$(of MainPID)
kill -STOP "$pid"
it "a loop that does not turn is ended by the watchdog, and is back" wait_for 30 back
it "… which systemd says" wait_for 10 bash -c 'journalctl -u rollcalld | grep -q "Watchdog timeout"'
rm -r /run/systemd/system/rollcalld.service.d
systemctl daemon-reload
systemctl restart rollcalld

# --- other packages in its place, and none ---

pid=$(of MainPID)
it "an upgrade works" dpkg -i ./rollcalld_*.deb
it "… and restarts it" back
it "the database is sound" rollcalld check --database /var/lib/rollcall/rollcall.db
it "the packages are removed" dpkg -r rollcalld rollcall rollcall-agent
it "then it does not run" bash -c '! pgrep -x rollcalld'
it "its settings and its database stay" test -s /etc/rollcall/rollcalld.json -a -s /etc/rollcall/secrets/hub -a -s /var/lib/private/rollcall/rollcall.db
it "they are purged" dpkg -P rollcalld rollcall rollcall-agent
it "nothing is left of them" is "$(find /etc /usr /lib/systemd /var/lib -iname '*rollcall*' ! -name 'rollcall-test*')" ""
echo "end"
