#!/usr/bin/env bash
# tests/deploy: the Debian packages, built by deploy/debian/build, installed, used, upgraded, removed and purged (booted.sh) in
# a system that systemd boots: this machine's files, seen through an overlay, so that nothing is changed in them. $DEBS: the
# folder of packages that are built already.
# ROLLCALL_TEST_LONG=true: lintian, too.
long=${ROLLCALL_TEST_LONG:-false}
needs_network=yes
. "$(dirname "$0")/lib.sh"

debs=${DEBS-$folder/debs}
[ -n "${DEBS-}" ] || must "$top/deploy/debian/build" "$debs" >"$folder/build.log" 2>&1
sound_packages() { # no mail reaches those who maintain them
	lintian --allow-root --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$debs"/*.changes
}
if [ "$long" = true ]; then
	it "lintian finds nothing" sound_packages
fi

must mkdir "$folder/over" "$folder/root"
must mount -t tmpfs -o mode=755 over "$folder/over"
must mkdir "$folder/over/upper" "$folder/over/work"
must mount -t overlay -o "lowerdir=/,upperdir=$folder/over/upper,workdir=$folder/over/work" overlay "$folder/root"
inside=$folder/root/opt/test
must mkdir -p "$inside"
must cp "$debs"/*.deb "$HUBSIM" "$deploy/booted.sh" "$inside"
echo '{"history": true, "answerMs": [20, 300], "leaveMs": [20, 100]}' >"$inside/temperament"
# Nothing of a first boot, nor of one after an upgrade: only what is tested.
must sh -c 'tr -d - </proc/sys/kernel/random/uuid >"$1/etc/machine-id"' sh "$folder/root"
must touch "$folder/root/etc/.updated" "$folder/root/var/.updated"
rm -f "$folder/root/usr/sbin/policy-rc.d" # on machines made from an image it forbids packages to start and stop services
cat >"$folder/root/etc/systemd/system/rollcall-test.service" <<'UNIT'
[Unit]
Description=What is told by tests/deploy/booted.sh
[Service]
Type=oneshot
WorkingDirectory=/opt/test
ExecStart=/opt/test/booted.sh
StandardOutput=append:/opt/test/told
StandardError=append:/opt/test/told
ExecStopPost=/bin/sh -c 'journalctl -u rollcalld --no-pager | tail -n 60 >/opt/test/journal.log'
ExecStopPost=/bin/systemctl --no-block poweroff
UNIT
timeout 250 systemd-nspawn -q --register=no --keep-unit --private-network -D "$folder/root" -b \
	systemd.unit=rollcall-test.service systemd.firstboot=no systemd.mask=systemd-hwdb-update.service \
	systemd.mask=ldconfig.service systemd.mask=systemd-networkd.service </dev/null >"$folder/boot.log" 2>&1
sed '/^end$/d' "$inside/told" >"$folder/told"
cat "$folder/told"
passed=$((passed + $(grep -c '^ok ' "$folder/told")))
failed=$((failed + $(grep -c '^FAILED ' "$folder/told")))
cp "$inside/journal.log" "$folder/" 2>/dev/null
it "the system ran all of it, to its end" grep -qx end "$inside/told"
