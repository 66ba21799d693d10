# tests/deploy: what the scripts that run containers share, sourced by each; beside tests/e2e/lib.sh, which it sources. A
# script runs among mounts of its own and, unless it sets needs_network, in a network of its own: ports are those of the
# image, and nothing of it stays.
# A script that sets needs_npm finds package.json's checkers in node_modules here.
deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${DEPLOY_INSIDE-}" ]; then
	if [ -n "${needs_npm-}" ]; then
		(
			set -eu
			flock 9
			cd "$deploy"
			[ node_modules/.package-lock.json -nt package-lock.json ] ||
				npm ci --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error
		) 9>"${TMPDIR:-/tmp}/rollcall-deploy-$(id -u).lock" || exit
	fi
	spaces=(--mount)
	[ -n "${needs_network-}" ] || spaces+=(--net)
	[ "$(id -u)" -eq 0 ] || spaces+=(--user --map-root-user)
	DEPLOY_INSIDE=yes exec unshare "${spaces[@]}" "$0" "$@"
fi
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
top=$(cd "$e2e/../.." && pwd)
export PATH=$PATH:/usr/sbin:/sbin
[ -n "${needs_network-}" ] || must ip link set lo up

# An engine with a store of its own, so that no image or container of the machine is seen or touched. runc, since crun
# does not take every layout of cgroups; limits below what a machine without CAP_SYS_RESOURCE has.
cat >"$folder/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[network]
network_backend = "netavark"
network_config_dir = "$folder/networks"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
cat >"$folder/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$folder/store/root"
runroot = "$folder/store/run"
CONF
export CONTAINERS_CONF=$folder/containers.conf CONTAINERS_STORAGE_CONF=$folder/storage.conf
on_engine_exit() {
	local status=$?
	podman rm --all --force --time 0 >"$folder/rm.out" 2>&1
	awk -v at="$folder/" 'index($5, at) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r place; do
		umount -l "$place"
	done
	(exit "$status")
	on_exit
}
trap on_engine_exit EXIT

# make_image NAME TARGET PROGRAM…: that stage of the Containerfile, over a root with these programs in place of the stage
# that builds them.
make_image() {
	local name=$1 target=$2 made=$folder/made-$2
	shift 2
	mkdir -p "$made/state" "$made/context"
	must "$top/deploy/container/rootfs" "$made/image" "$@"
	[ "$target" = rollcalld ] || mv "$made/image" "$made/$target"
	must buildah build --build-context build="$made" --isolation chroot --network host --pull=never --format docker \
		--target "$target" --quiet -t "$name" -f "$top/deploy/container/Containerfile" "$made/context" >"$folder/$target-build.out"
	rm -rf "$made"
}
