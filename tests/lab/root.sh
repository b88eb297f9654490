# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The lab's own Debian root: made once by mmdebstrap, kept in the cache folder
# under a hash of what went into it, and never written to afterwards.
#
# root_ensure sets $root to a folder that holds
#   root.img   the root as an ext4 image without a journal
#   vmlinux    its kernel, unpacked
#   boot.cpio  busybox and the modules that are needed to mount root.img
#   packages   what is installed, with versions
#
# Needs die and say of the caller. Bash, sourced.

readonly suite=bookworm
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# cache_dir - where hull keeps products that take minutes to make
cache_dir() {
	printf '%s\n' "${HULL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hull}"
}

# root_packages - what goes into the root
root_packages() {
	"$tests/install-packages" --list lab-root ${LAB_CALLERS:+lab-callers} \
		$([[ $variant != systemd ]] || echo lab-systemd)
}

# root_key - a hash of what the root is made from: the packages, and the functions
# below that make it (as bash prints them, so without comments)
root_key() {
	{
		root_packages
		declare -f root_debootstrap root_configure root_vmlinux root_modules \
			modules_list root_boot_cpio root_make
	} | sha256sum | cut -c1-16
}

# root_sources - apt sources for the root: those of this machine, when it runs
# the same release, so that a mirror it was given is used here too
root_sources() {
	local codename

	for codename in "$suite" "$suite-updates" "$suite-security"; do
		# shellcheck disable=SC2016  # apt's own variables
		apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
			'Created-By: Packages' 'Origin: Debian' "Codename: $codename" 2>/dev/null
	done | sort -u | sed "s|^|deb [signed-by=$keyring] |"
}

# root_debootstrap DIR - unpack and configure the packages into DIR
root_debootstrap() {
	local dir=$1 sources
	local -a from=()

	sources=$(root_sources)
	[[ $sources != *" $suite "* ]] || from=(-)
	mkdir -p "$tmp/tmp"
	# No documentation and no initramfs: nothing in the lab reads them, and
	# writing them takes a third of the time.
	TMPDIR=$tmp/tmp mmdebstrap --variant=minbase --format=directory \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/lib/udev/hwdb.d/*' \
		--dpkgopt='path-exclude=/usr/bin/*-lto-dump-*' \
		--dpkgopt='path-exclude=/usr/lib/gcc/*/*/lto1' \
		--essential-hook='mkdir -p "$1/etc/initramfs-tools"' \
		--essential-hook='echo update_initramfs=no >"$1/etc/initramfs-tools/update-initramfs.conf"' \
		--dpkgopt=force-unsafe-io --dpkgopt=force-confold \
		--include="$(root_packages | paste -sd,)" \
		"$suite" "$dir" "${from[@]}" <<<"$sources" 2>&1 | root_progress
}

# root_progress - mmdebstrap's output, shortened to its steps; all of it goes to
# the log, from which the last lines are shown when it fails
root_progress() {
	local line
	while IFS= read -r line; do
		printf '%s\n' "$line" >>"$tmp/log"
		case $line in
		'I: downloading'* | 'I: installing'* | 'I: extracting'* | 'I: running apt'*)
			say "root: ${line#I: } ($((SECONDS - root_start)) s)" ;;
		esac
	done
}

# root_configure DIR - the few files that make it a lab. What may change without
# a new root (the scripts that run at boot) comes with the initramfs instead.
root_configure() {
	local dir=$1
	mkdir -p "$dir/hull" "$dir/data" "$dir/root/.ssh"
	chmod 700 "$dir/root/.ssh"
	# Empty: under TCG a login shell's usual files cost seconds
	: >"$dir/root/.bashrc"
	: >"$dir/root/.profile"
	: >"$dir/etc/profile"
	rm -f "$dir"/etc/profile.d/* "$dir/etc/bash.bashrc"
	echo lab >"$dir/etc/hostname"
	printf '127.0.0.1 localhost lab\n::1 localhost\n' >"$dir/etc/hosts"
	rm -f "$dir/etc/resolv.conf"
	echo 'nameserver 10.0.2.3' >"$dir/etc/resolv.conf"
	printf '::sysinit:/run/lab/setup\n::restart:/bin/true\n' >"$dir/etc/inittab"
	# ssh is only there for the lab's own commands: root's shell is the fast one
	sed -i '/^root:/s|:[^:]*$|:/bin/sh|' "$dir/etc/passwd"
}

# root_vmlinux BZIMAGE - the ELF kernel inside of it, on stdout. The setup header
# says where the payload is (Linux Documentation/arch/x86/boot.rst).
root_vmlinux() {
	local image=$1 setup_sects offset length magic unpack

	setup_sects=$(od -An -tu1 -j $((0x1f1)) -N 1 "$image")
	offset=$(od -An -tu4 -j $((0x248)) -N 4 "$image")
	length=$(od -An -tu4 -j $((0x24c)) -N 4 "$image")
	offset=$(((setup_sects + 1) * 512 + offset))
	magic=$(od -An -tx1 -j "$offset" -N 4 "$image")
	case ${magic// /} in
	02214c18) unpack='lz4 -dc' ;;
	28b52ffd) unpack='zstd -dc' ;;
	fd377a58) unpack='xz -dc' ;;
	*) die "$image: packed in a way that is not known here (magic$magic)" ;;
	esac
	# the payload's last four bytes are its unpacked size, not part of the stream
	dd if="$image" iflag=skip_bytes,count_bytes skip="$offset" count=$((length - 4)) \
		bs=1M status=none | $unpack
}

# root_modules MODULES_DIR NAME... - the files of those modules and of what they
# need, in the order to load them
root_modules() {
	local dir=$1
	shift
	awk -v want="$*" '
		function load(file, n, i, d) {
			if (file in done)
				return
			done[file] = 1
			n = split(deps[file], d, " ")
			for (i = n; i > 0; i--)
				load(d[i])
			print file
		}
		{
			file = substr($1, 1, length($1) - 1)
			name = file
			gsub(/.*\/|\.ko$/, "", name)
			gsub(/-/, "_", name)
			path[name] = file
			$1 = ""
			deps[file] = $0
		}
		END {
			n = split(want, w, " ")
			for (i = 1; i <= n; i++) {
				if (!(w[i] in path)) {
					print "no module " w[i] >"/dev/stderr"
					exit 1
				}
				load(path[w[i]])
			}
		}' "$dir/modules.dep"
}

# modules_list MODULES_DIR NAME... - the same as absolute paths in the lab
modules_list() {
	root_modules "$@" | sed "s|^|/lib/modules/${1##*/}/|"
}

# root_boot_cpio DIR - the part of the initramfs that does not change
root_boot_cpio() {
	local dir=$1 modules file n=0 boot=$tmp/boot

	modules=$(echo "$dir"/lib/modules/*-cloud-*)
	mkdir -p "$boot"/{bin,proc,dev,new,modules,lab}
	cp "$dir/bin/busybox" "$boot/bin/"
	root_modules "$modules" virtio_pci virtio_blk >"$tmp/order" || return 1
	while read -r file; do
		n=$((n + 1))
		cp "$modules/$file" "$boot/modules/$(printf '%02d' $n).ko"
	done <"$tmp/order"
	# Lists of what setup loads: modprobe, linked to libcrypto as it is, takes
	# a second each under TCG.
	modules_list "$modules" virtio_net >"$boot/lab/modules.net"
	modules_list "$modules" virtiofs overlay loop virtio_rng >"$boot/lab/modules.disks"
	modules_list "$modules" kvm_amd vhost_net vhost_vsock >"$boot/lab/modules.kvm"
	(cd "$boot" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
}

# root_shm CACHE - how such folders in memory begin: builds into the same cache never
# run at once, but those into different ones may
root_shm() {
	printf '/dev/shm/hull-lab-root.%s\n' "$(cksum <<<"$1" | tr -d ' ')"
}

# root_workdir CACHE - a folder for half-made things: in memory, when there is
# plenty, because unpacking 30,000 files and removing them again is slow on disk
root_workdir() {
	local shm free
	shm=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)
	free=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
	if [[ ${shm:-0} -gt $((4 << 20)) && $free -gt $((8 << 20)) ]]; then
		mktemp -d "$(root_shm "$1").XXXXXX"
	else
		mktemp -d "$1/tmp.lab-root.XXXXXX"
	fi
}

# root_make DIR - make everything that root_ensure promises, in DIR
root_make() {
	local out=$1 dir=$tmp/root root_start=$SECONDS kernel

	if ! root_debootstrap "$dir"; then
		tail -n 15 "$tmp/log" >&2
		die "mmdebstrap could not make the lab's root (above)"
	fi
	root_configure "$dir"
	kernel=$(echo "$dir"/boot/vmlinuz-*-cloud-*)
	[[ -f $kernel ]] || die "the lab's root has no cloud kernel"
	say "root: writing the image ($((SECONDS - root_start)) s)"
	root_vmlinux "$kernel" >"$out/vmlinux"
	root_boot_cpio "$dir" >"$out/boot.cpio"
	# shellcheck disable=SC2016  # dpkg-query's own variables
	dpkg-query --admindir="$dir/var/lib/dpkg" -W -f '${Package} ${Version}\n' >"$out/packages"
	mke2fs -q -F -t ext4 -d "$dir" -m 0 -O ^has_journal \
		-E lazy_itable_init=1,root_owner=0:0 "$out/root.img" 12G >/dev/null
	say "root: made in $((SECONDS - root_start)) s"
}

# root_expire - forget roots that nobody used for two weeks
root_expire() {
	find "$1" -maxdepth 1 -name 'lab-root-*' -type d -mtime +14 -exec rm -rf {} +
}

# root_remove FOLDER... - half-made things, and first what mmdebstrap has mounted in them,
# if it was killed: through that, rm would get at this machine's own /dev/shm
root_remove() {
	local folder mounted

	for folder; do
		while read -r mounted; do
			umount "$mounted" || return
		done < <(awk -v of="$folder/" 'index($2, of) == 1 { print $2 }' /proc/self/mounts | tac)
		rm -rf --one-file-system "$folder"
	done
}

# root_ensure - set $root; make it when it is not in the cache
root_ensure() {
	local cache lock out

	cache=$(cache_dir)
	root=$cache/lab-root-$(root_key)
	if [[ -d $root ]]; then
		touch "$root"
		return 0
	fi
	mkdir -p "$cache"
	exec {lock}>"$cache/lab-root.lock"
	flock -n "$lock" || { say "waiting for another lab that makes its root"; flock "$lock"; }
	if [[ ! -d $root ]]; then
		say "making the lab's root, once (about 90 s; kept in $cache)"
		root_remove "$cache"/tmp.lab-root.* "$(root_shm "$cache")".*
		out=$(mktemp -d "$cache/tmp.lab-root.XXXXXX")
		tmp=$(root_workdir "$cache")
		# In the background, because set -e does nothing to the left of a `||`,
		# and as a job with a process group, to end it as a whole.
		set -m
		(set -e; root_make "$out"; chmod 755 "$out"; mv -T "$out" "$root") {lock}>&- &
		set +m
		trap 'set +e; kill -- -$! 2>/dev/null && wait; root_remove "$tmp" "$out"' EXIT
		trap 'exit 130' INT TERM HUP
		wait $! || die "no root for the lab"
		trap - EXIT INT TERM HUP
		root_remove "$tmp"
		root_expire "$cache"
	fi
	exec {lock}>&-
}
