#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# --preserve-fds and LISTEN_FDS: the caller's descriptors besides stdio. Descriptor 3 is
# bats' own: every command here is given another in its place.

load helpers

# with_fds N COMMAND... - hull COMMAND with --preserve-fds N
with_fds() {
	hull "$2" --preserve-fds "$1" "${@:3}"
}

# refused STATUS COMMAND... - it fails with that status; what it says into $output
refused() {
	local want=$1 got=0

	shift
	output=$("$@" 2>&1 </dev/null) || got=$?
	echo "status $got: $output"
	[[ $got -eq $want ]]
}

# holds FILE TEXT
holds() {
	[[ $(cat "$1") == "$2" ]]
}

# pass_fd NAME - a Python script from standard input, which runs hull itself
pass_fd() {
	cat >"$WORK/$1.py"
	HULL_STATE=$STATE HULL_BUNDLE=$BUNDLE HULL_ID=$ID timeout 120 python3 "$WORK/$1.py"
}

@test "preserve-fds: run with a pipe to read and a pipe to write" {
	args /bin/sh -c 'cat <&3 >&4; echo done'
	output=$(with_fds 2 run -b "$BUNDLE" "$ID" 3< <(echo through) 4> >(cat >"$WORK/out") </dev/null)
	[[ $output == "done" ]]
	wait_for 20 holds "$WORK/out" through
}

@test "preserve-fds: 20 MB each way, byte by byte" {
	args /bin/sh -c 'cat <&3 >&4'
	head -c 20971520 /dev/urandom >"$WORK/in"
	with_fds 2 run -b "$BUNDLE" "$ID" 3< <(cat "$WORK/in") 4> >(cat >"$WORK/out") </dev/null
	wait_for 20 cmp "$WORK/in" "$WORK/out"
}

@test "preserve-fds: create and start, files from where they stand" {
	printf '%s\n' one two three >"$WORK/in"
	echo before >"$WORK/out"
	args /bin/sh -c 'cat <&3 >&4'
	(
		read -r _ <&3
		with_fds 2 create -b "$BUNDLE" "$ID" </dev/null >/dev/null
	) 3<"$WORK/in" 4>>"$WORK/out"
	hull start "$ID"
	wait_for 30 is_stopped "$ID"
	[[ $(cat "$WORK/out") == $'before\ntwo\nthree' ]]
}

@test "preserve-fds: the numbers are the caller's, and nothing else is open" {
	args /bin/sh -c 'echo /proc/self/fd/*'
	echo text >"$WORK/in"
	# One more is the shell's own for that folder.
	output=$(with_fds 3 run -b "$BUNDLE" "$ID" 3<"$WORK/in" 4>/dev/null 5<>/dev/null </dev/null)
	[[ $output == "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5"* ]]
	[[ $(wc -w <<<"$output") -le 7 ]]
}

@test "preserve-fds: a user may open its descriptor again" {
	echo again >"$WORK/in"
	args /bin/cat /proc/self/fd/3
	config '.process.user = {uid: 1000, gid: 1000}'
	[[ $(with_fds 1 run -b "$BUNDLE" "$ID" 3<"$WORK/in" </dev/null) == again ]]
}

sleeps_on() {
	hull ps "$ID" | grep -q ' sleep 999$'
}

@test "preserve-fds: a process that closes its end is seen, and runs on" {
	start_sleeper
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	(cat >"$WORK/out"; echo ended >>"$WORK/out") <"$BATS_TEST_TMPDIR/fifo" &
	with_fds 1 exec -d "$ID" /bin/sh -c 'echo early >&3; exec 3>&-; exec sleep 999' \
		3>"$BATS_TEST_TMPDIR/fifo" </dev/null >/dev/null 2>&1
	wait_for 20 holds "$WORK/out" $'early\nended'
	wait_for 20 sleeps_on
}

@test "preserve-fds: a reader that goes away ends the writer" {
	args /bin/sh -c 'yes >&3; echo $?'
	output=$(with_fds 1 run -b "$BUNDLE" "$ID" 3> >(head -n 1 >"$WORK/out") </dev/null 2>/dev/null)
	[[ $output == 141 ]]
	wait_for 20 holds "$WORK/out" y
}

@test "preserve-fds: a stalled reader stalls nothing else" {
	start_sleeper
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	sleep 1000 <"$BATS_TEST_TMPDIR/fifo" &
	reader=$!
	with_fds 1 exec -d "$ID" /bin/sh -c 'exec yes >&3' 3>"$BATS_TEST_TMPDIR/fifo" </dev/null >/dev/null 2>&1
	[[ $(hull exec "$ID" /bin/echo alive </dev/null) == alive ]]
	hull kill "$ID" KILL
	wait_for 30 is_stopped "$ID"
	kill "$reader"
}

@test "preserve-fds: sockets, each half closed by itself" {
	args /usr/bin/python3 -c '
import socket, sys
s, t = socket.socket(fileno=3), socket.socket(fileno=4)
def rest(sock):
    got = b""
    while data := sock.recv(65536):
        got += data
    return got
s.sendall(rest(s).upper())
s.shutdown(socket.SHUT_WR)
t.sendall(b"first")
t.shutdown(socket.SHUT_WR)
print(len(rest(t)), flush=True)
sys.stdin.read()
'
	pass_fd halves <<-'END'
		import os, socket, subprocess
		a, b = socket.socketpair()
		c, d = socket.socketpair()
		os.dup2(b.fileno(), 3)  # we keep them: only shutdown() can end them
		os.dup2(d.fileno(), 4)
		child = subprocess.Popen(["hull", "--root", os.environ["HULL_STATE"], "--set", "memory=512M", "run",
		    "--preserve-fds", "2", "-b", os.environ["HULL_BUNDLE"], os.environ["HULL_ID"]],
		    pass_fds=(3, 4), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
		def rest(sock):
		    got = b""
		    while data := sock.recv(65536):
		        got += data
		    return got
		a.sendall(b"hello" * 100000)
		a.shutdown(socket.SHUT_WR)
		assert rest(a) == b"HELLO" * 100000
		assert rest(c) == b"first"
		c.sendall(b"second")
		c.shutdown(socket.SHUT_WR)
		assert child.stdout.readline() == b"6\n"
		assert child.poll() is None
		child.stdin.close()
		assert child.wait() == 0
	END
}

@test "preserve-fds: the caller goes on with a socket that the process has closed" {
	start_sleeper
	pass_fd goes_on <<-'END'
		import os, socket, subprocess
		a, b = socket.socketpair()
		os.dup2(b.fileno(), 3)
		child = subprocess.Popen(["hull", "--root", os.environ["HULL_STATE"], "exec", "--preserve-fds", "1",
		    os.environ["HULL_ID"], "/bin/sh", "-c", "read x <&3; echo $x >&3"],
		    pass_fds=(3,), stdin=subprocess.DEVNULL)
		a.sendall(b"one\n")
		assert a.recv(100) == b"one\n"
		assert child.wait() == 0
		b.sendall(b"two")
		assert a.recv(100) == b"two"
		a.sendall(b"three")
		assert b.recv(100) == b"three"
	END
}

@test "preserve-fds: exec with a pipe to read, a pipe to write, a file" {
	start_sleeper
	echo file >"$WORK/in"
	output=$(with_fds 3 exec "$ID" /bin/sh -c 'cat <&3 >&4; cat /proc/self/fd/5; exit 7' \
		3< <(echo piped) 4> >(cat >"$WORK/out") 5<"$WORK/in" </dev/null) && got=0 || got=$?
	[[ $got -eq 7 ]]
	[[ $output == file ]]
	wait_for 20 holds "$WORK/out" piped
	[[ $(with_fds 16 exec "$ID" /bin/sh -c 'cat <&9' 3</dev/null 4<&3 5<&3 6<&3 7<&3 8<&3 9<"$WORK/in" \
		10<&3 11<&3 12<&3 13<&3 14<&3 15<&3 16<&3 17<&3 18<&3 </dev/null) == file ]]
	[[ $(hull exec "$ID" /bin/sh -c 'true <&3 2>/dev/null || echo closed' 3<"$WORK/in" </dev/null) == closed ]]
}

@test "preserve-fds: exec with a terminal" {
	start_sleeper
	echo file >"$WORK/in"
	timeout 120 "$BATS_TEST_DIRNAME/pty.py" run "$WORK/shown" 'expect:/dev/pts/ expect:file eof' \
		hull --root "$STATE" exec -t --preserve-fds 1 "$ID" /bin/sh -c 'tty; cat <&3' 3<"$WORK/in"
}

@test "preserve-fds: one that is not open" {
	args /bin/true
	refused 1 with_fds 2 run -b "$BUNDLE" "$ID" 3</dev/null 4<&-
	[[ $output == *"unable to stat preserved-fd 1 (of 2): no such file or directory"* ]]
	# Nor is the log's, which hull opens first.
	refused 1 hull --log "$WORK/log" create --preserve-fds 2 -b "$BUNDLE" "$ID" 3</dev/null 4<&-
	[[ $output == *"unable to stat preserved-fd 1 (of 2)"* ]]
	nothing_left "$ID"
	start_sleeper
	refused 255 with_fds 1 exec "$ID" /bin/true 3<&-
	[[ $output == *"unable to stat preserved-fd 0 (of 1)"* ]]
}

@test "preserve-fds: what cannot be bridged" {
	args /bin/true
	refused 1 with_fds 1 run -b "$BUNDLE" "$ID" 3</
	[[ $output == *"--preserve-fds: descriptor 3 is a directory: only pipes, stream sockets, terminals and files can be bridged"* ]]
	refused 1 with_fds 1 create -b "$BUNDLE" "$ID" 3<>"$WORK/file"
	[[ $output == *"descriptor 3 is a file open for both reading and writing"* ]]
	refused 1 with_fds 17 run -b "$BUNDLE" "$ID" 3</dev/null
	[[ $output == *"not more than 16 descriptors can be bridged"* ]]
	nothing_left "$ID"
	start_sleeper
	refused 255 with_fds 1 exec "$ID" /bin/true 3</
	[[ $output == *"--preserve-fds: descriptor 3 is a directory"* ]]
}

# listening PID - hull run with LISTEN_FDS=1, as a service manager starts it
listening() {
	timeout 120 bash -c 'export LISTEN_FDS=1 LISTEN_PID=${1:-$$}; shift; exec hull "$@"' bash "$1" \
		--root "$STATE" --set memory=512M run --preserve-fds 1 -b "$BUNDLE" "$ID" 3< <(echo first) 4< <(echo second) \
		</dev/null
}

@test "preserve-fds: LISTEN_FDS come first, and the process is told" {
	args /bin/sh -c 'echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4'
	[[ $(listening '') == $'1 1\nfirst\nsecond' ]]
	args /bin/sh -c 'echo none$LISTEN_FDS$LISTEN_PID; cat <&3; true <&4 2>/dev/null || echo closed'
	[[ $(listening 1) == $'none\nfirst\nclosed' ]]
}
