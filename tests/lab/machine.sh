# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The lab's machine: QEMU, the virtiofsd that shows it the checkout, and the ssh
# master through which commands go. Each is known by pid and start time in a file
# of the state folder, so that nothing else is ever signalled. All paths given to
# them are relative to that folder: socket paths are limited to 107 bytes, the
# path of a checkout is not.
#
# $socket has a name of its own in each lab: virtiofsd locks it machine-wide.
#
# Needs die, say, $checkout, $state, $socket, $variant, $root. Bash, sourced.

# proc_start_time PID - in clock ticks since boot; fails when there is none
proc_start_time() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	# shellcheck disable=SC2086  # split into fields
	set -- $stat
	# a zombie is not alive
	[[ $1 != Z ]] && printf '%s\n' "${20}"
}

# proc_save NAME PID - remember a process of ours
proc_save() {
	printf '%s %s\n' "$2" "$(proc_start_time "$2")" >"$state/$1.pid"
}

# proc_pid NAME - its pid, when it is alive
proc_pid() {
	local pid start
	{ read -r pid start <"$state/$1.pid"; } 2>/dev/null || return 1
	[[ -n $start && $(proc_start_time "$pid") == "$start" ]] && printf '%s\n' "$pid"
}

# proc_kill NAME - end it, politely for 5 s, and forget it
proc_kill() {
	local pid
	if pid=$(proc_pid "$1"); then
		kill -TERM "$pid" 2>/dev/null || true
		timeout 5 tail -s 0.05 -f --pid="$pid" /dev/null ||
			kill -KILL "$pid" 2>/dev/null || true
	fi
	rm -f "$state/$1.pid"
}

# wait_line FILE PATTERN PID SECONDS - wait until FILE has a line with PATTERN, as
# long as PID lives
wait_line() {
	local file=$1 pattern=$2 pid=$3 seconds=$4 lines tail line found=1

	exec {lines}< <(exec timeout "$seconds" tail -n +1 -s 0.05 -f --pid="$pid" "$file" 2>/dev/null)
	tail=$!
	while IFS= read -r line; do
		[[ $line =~ $pattern ]] && { found=0; break; }
	done <&"$lines"
	kill "$tail" 2>/dev/null || true
	exec {lines}<&-
	return $found
}

# ssh_lab ARGS... - ssh with nothing of the user's own configuration
ssh_lab() {
	local port
	read -r port <"$state/port"
	cd "$state" || return
	exec ${timeout:+timeout --foreground -k 5 "$timeout"} ssh -F /dev/null -i key -p "$port" -S master -o User=root -o IdentitiesOnly=yes \
		-o IdentityAgent=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o LogLevel=ERROR -o BatchMode=yes -o ConnectTimeout=20 "$@"
}

machine_is_up() {
	[[ -e $state/ready ]] && proc_pid qemu >/dev/null && proc_pid master >/dev/null
}

# machine_down - end everything; fine when there is nothing
machine_down() {
	rm -f "$state/ready"
	proc_kill master
	proc_kill qemu
	proc_kill virtiofsd
	rm -f "$state"/{master,"$socket",port,key,key.pub,initramfs,qemu.log,data.img}
}

# machine_initramfs - the cached part and what belongs to this lab and checkout
machine_initramfs() {
	local dir=$state/initramfs.d

	rm -rf "$dir"
	mkdir -p "$dir/lab"
	rm -f "$state/key" "$state/key.pub"
	ssh-keygen -q -t ed25519 -N '' -C lab -f "$state/key"
	cp "$lab_dir/init" "$dir/init"
	cp "$lab_dir"/{setup,env,end,hold-vm} "$dir/lab/"
	[[ $variant != systemd ]] || cp -r "$lab_dir/systemd" "$dir/lab/"
	[[ -z ${LAB_CGROUP1-} ]] || : >"$dir/lab/cgroup1"
	cp "$state/key.pub" "$dir/lab/authorized_keys"
	chmod 755 "$dir/init" "$dir"/lab/{setup,env,end,hold-vm}
	{
		cat "$root/boot.cpio"
		(cd "$dir" && find init lab | cpio -o -H newc -R 0:0 --quiet)
	} >"$state/initramfs"
	rm -rf "$dir"
}

# machine_virtiofsd - show the checkout to the machine. Its own namespaces where
# it may make them, else a chroot.
machine_virtiofsd() {
	local sandbox=chroot pid daemon=/usr/lib/qemu/virtiofsd

	[[ -x $daemon ]] || die "no $daemon: install qemu-system-common"
	unshare -m -p -n -f true 2>/dev/null && sandbox=namespace
	rm -f "$state/$socket"
	(
		cd "$state" || exit
		exec setsid "$daemon" --socket-path="$socket" --thread-pool-size=4 -o log_level=info \
			-o source="$checkout" -o cache=auto -o xattr -o sandbox=$sandbox
	) </dev/null >"$state/virtiofsd.log" 2>&1 {lock}>&- &
	pid=$!
	proc_save virtiofsd "$pid"
	wait_line "$state/virtiofsd.log" 'Waiting for vhost-user' "$pid" 10 || {
		tail -n 5 "$state/virtiofsd.log" >&2
		die "virtiofsd does not start (above)"
	}
}

# machine_qemu PORT - start the machine with ssh on that port of 127.0.0.1
machine_qemu() {
	local memory=${LAB_MEMORY:-6G} restrict=on append
	local -a accel

	[[ -z ${LAB_NET-} ]] || restrict=off
	if [[ $variant == icount ]]; then
		accel=(-accel tcg,thread=single,tb-size=1024 -icount 'shift=0' -smp 1
			-rtc 'base=2024-01-01,clock=vm')
	else
		accel=(-accel tcg,thread=multi,tb-size=1024 -smp 2)
	fi
	append='console=ttyS0 quiet panic=-1 mitigations=off nokaslr apparmor=0 audit=0 nowatchdog'
	append+=' kfence.sample_interval=0 init_on_alloc=0 tsc=reliable no_timer_check'
	append+=' cryptomgr.notests random.trust_cpu=on 8250.nr_uarts=1 lpj=10000000'

	(
		cd "$state" || exit
		# snapshot=on keeps what is written to the root in a file without a name
		TMPDIR=$state exec qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
			-M q35,memory-backend=m,hpet=off,vmport=off,smbus=off,sata=off,i8042=off,usb=off,smm=off \
			-cpu EPYC,+svm "${accel[@]}" \
			-object "memory-backend-memfd,id=m,size=$memory,share=on" -m "$memory" \
			-kernel "$root/vmlinux" -initrd initramfs -append "$append" \
			-chardev file,id=console,path=console.log -serial chardev:console \
			-drive "if=none,id=root,file=$root/root.img,format=raw,snapshot=on,cache=unsafe" \
			-device virtio-blk-pci,drive=root \
			-drive if=none,id=data,file=data.img,format=raw,cache=unsafe,discard=unmap \
			-device virtio-blk-pci,drive=data \
			-chardev "socket,id=fs,path=$socket" -device vhost-user-fs-pci,chardev=fs,tag=hull,queue-size=1024 \
			-netdev "user,id=net,restrict=$restrict,hostfwd=tcp:127.0.0.1:$1-:22" \
			-device virtio-net-pci,netdev=net,romfile= \
			-device virtio-rng-pci \
			-daemonize -pidfile qemu.new
	) >"$state/qemu.log" 2>&1 {lock}>&-
}

# machine_connect SECONDS - start the ssh master
machine_connect() {
	local timeout=$1 pid
	rm -f "$state/master"
	(ssh_lab -M -N -f localhost) </dev/null >/dev/null 2>"$state/ssh.log" {lock}>&- || return
	pid=$(ssh_lab -O check localhost 2>&1)
	pid=${pid##*pid=}
	proc_save master "${pid%%)*}"
}

# machine_boot SECONDS - one attempt to start it, up to the ssh master
machine_boot() {
	local seconds=$1 port pid

	machine_down
	machine_initramfs
	[[ ! -s $state/console.log ]] || mv "$state/console.log" "$state/console.before.log"
	: >"$state/console.log"
	truncate -s 40G "$state/data.img"
	mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$state/data.img"
	machine_virtiofsd
	for _ in {1..20}; do
		port=$((20000 + RANDOM % 12000))
		rm -f "$state/qemu.new"
		machine_qemu "$port" && break
		grep -q 'host forwarding rule' "$state/qemu.log" || {
			tail -n 5 "$state/qemu.log" >&2
			die "QEMU does not start (above)"
		}
	done
	read -r pid <"$state/qemu.new" || die "no free port on 127.0.0.1 for the lab"
	proc_save qemu "$pid"
	rm -f "$state/qemu.new" "$state/data.img" "$state/initramfs"
	echo "$port" >"$state/port"
	wait_line "$state/console.log" '^lab: ready' "$pid" "$seconds" || return
	machine_connect "$seconds" || return
	touch "$state/ready"
}

# machine_up - start it, when it is not up; a second try for the counted variant,
# where about one nested boot in 17 was seen to hang
machine_up() {
	local start tries=1 seconds=120 try

	machine_is_up && return 0
	exec {lock}>"$state/lock"
	flock -w 600 "$lock" || die "another lab command holds $state/lock"
	# alive, but the ssh master is gone
	if [[ -e $state/ready ]] && ! proc_pid master >/dev/null && proc_pid qemu >/dev/null; then
		machine_connect 20 || say "the lab does not answer: starting it anew"
	fi
	if ! machine_is_up; then
		"$tests/install-packages" lab-host
		root_ensure
		[[ $variant != icount ]] || tries=2
		for ((try = 1; try <= tries; try++)); do
			start=$(date +%s%N)
			machine_boot "$seconds" && break
			tail -n 15 "$state/console.log" >&2
			machine_down
			[[ $try -lt $tries ]] || die "the machine was not up within $seconds s (its console: above and in $state/console.log)"
			say "not up within $seconds s, trying once more"
		done
		start=$((($(date +%s%N) - start) / 100000000))
		say "up after $((start / 10)).$((start % 10)) s"
	fi
	exec {lock}>&-
}
