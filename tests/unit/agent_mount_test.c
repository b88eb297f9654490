/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a container: mounts and their options, /dev, masked and read-only
 * paths, and that nothing a root file system holds leads out of it.
 */
#include "tests/unit/agent_host.h"

/* sh() - run a script with more mounts; is its output @want? */
static void sh(struct host *h, const char *name, const char *script, const char *mounts,
	       const char *linux_, const char *spec, const char *want)
{
	char args[2048];
	char list[4096];
	char *out;
	int status;

	(void)!snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	(void)!snprintf(list, sizeof(list), "[" HOST_USR "," HOST_PROC "," HOST_DEV "%s]",
			mounts);
	status = host_run(h, 0, args, "", list, linux_, spec, &out);
	is_str(out ? out : "(not started)", want, "%s", name);
	is_int(status, 0, "%s: status", name);
	free(out);
}

/* refused() - create fails with a message that holds @why. */
static void refused(struct host *h, const char *name, const char *mounts, const char *why)
{
	char list[4096];

	(void)!snprintf(list, sizeof(list), "[" HOST_USR "," HOST_PROC "%s]", mounts);
	ok(host_create(h, 0, "[\"true\"]", "", list, "", "") != 0, "%s is refused", name);
	ok(strstr(h->last_payload, why), "it says why");
}

static void test_dev(struct host *h)
{
	sh(h, "nodes",
	   "cd /dev; stat -c '%n %A %t:%T' null zero full random urandom tty; "
	   "readlink fd stdin stdout stderr ptmx",
	   "", "", "",
	   "null crw-rw-rw- 1:3\nzero crw-rw-rw- 1:5\nfull crw-rw-rw- 1:7\n"
	   "random crw-rw-rw- 1:8\nurandom crw-rw-rw- 1:9\ntty crw-rw-rw- 5:0\n"
	   "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n");
	sh(h, "listed devices",
	   "cd /dev; stat -c '%n %A %u:%g %t:%T' sub/fuse pipe null; echo x > /dev/full || echo full",
	   "",
	   ",\"devices\":[{\"path\":\"/dev/sub/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229,"
	   "\"fileMode\":416,\"uid\":3,\"gid\":4},{\"path\":\"/dev/pipe\",\"type\":\"p\"},"
	   "{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3,\"fileMode\":438}]",
	   "",
	   "sub/fuse crw-r----- 3:4 a:e5\npipe prw-rw-rw- 0:0 0:0\nnull crw-rw-rw- 0:0 1:3\n"
	   "full\n");
}

static void test_options(struct host *h)
{
	sh(h, "tmpfs",
	   "grep ' /tmp ' /proc/mounts | cut -d' ' -f3,4 | sed s/,inode64//; stat -c %a /tmp",
	   ",{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":"
	   "[\"nosuid\",\"nodev\",\"noexec\",\"noatime\",\"size=4k\",\"mode=1777\"]}",
	   "", "", "tmpfs rw,nosuid,nodev,noexec,noatime,size=4k\n1777\n");
	sh(h, "a tmpfs has the mode of what it covers", "stat -c %a /etc",
	   ",{\"destination\":\"/etc\",\"type\":\"tmpfs\"}", "", "", "755\n");
	sh(h, "read-only tmpfs, written to before",
	   "grep ' /dev ' /proc/mounts | cut -c 1-14; touch /tmp/x || ls /tmp",
	   ",{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"options\":[\"ro\"]},"
	   "{\"destination\":\"/tmp/in\",\"type\":\"tmpfs\"}",
	   "", "", "tmpfs /dev tmp\nin\n");
	sh(h, "bind mounts",
	   "grep -E ' /(b|new/b) ' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f 1,2; "
	   "cat /new/file | head -c 4; touch /b/x || echo ro",
	   ",{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/usr/share\",\"options\":"
	   "[\"rbind\",\"ro\",\"nosuid\"]},"
	   "{\"destination\":\"/new/b\",\"source\":\"/usr/share\",\"options\":[\"bind\","
	   "\"noexec\"]},"
	   "{\"destination\":\"/new/file\",\"source\":\"/etc/passwd\",\"options\":[\"bind\"]}",
	   "", "", "/b ro,nosuid\n/new/b rw,noexec\nrootro\n");
	sh(h, "copied up",
	   "stat -c '%n %a %u' /etc /etc/passwd; cat /etc/passwd | head -c 4; touch /etc/x",
	   ",{\"destination\":\"/etc\",\"type\":\"tmpfs\",\"options\":[\"tmpcopyup\"]}",
	   "", "", "/etc 755 0\n/etc/passwd 644 0\nroot");
	sh(h, "propagation",
	   "while read a b c d e f g x; do case $e in /|/p|/q) echo $e ${g%:*};; esac; "
	   "done < /proc/self/mountinfo",
	   ",{\"destination\":\"/p\",\"type\":\"tmpfs\",\"options\":[\"shared\"]},"
	   "{\"destination\":\"/q\",\"type\":\"tmpfs\",\"options\":[\"runbindable\"]}",
	   ",\"rootfsPropagation\":\"shared\"", "",
	   "/ shared\n/p shared\n/q unbindable\n");
	refused(h, "an option that tmpfs does not know",
		",{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"options\":[\"sizes=1\"]}",
		"sizes");
	refused(h, "a source that is not there",
		",{\"destination\":\"/x\",\"source\":\"/nope\",\"options\":[\"bind\"]}",
		"bind source '/nope'");
}

/* More options than fsconfig(2) takes: many lower directories. */
static void test_overlay(struct host *h)
{
	struct buf b = BUF_INIT;
	char dir[192];

	buf_puts(&b, ",{\"destination\":\"/tmp\",\"type\":\"overlay\",\"source\":\"o\","
		     "\"options\":[\"nosuid\",\"ro\",\"lowerdir=");
	for (unsigned int i = 0; i < 12; i++) {
		(void)!snprintf(dir, sizeof(dir), "%s/lower%u", h->dir, i);
		(void)mkdir(dir, 0755);
		buf_printf(&b, "%s%s", i ? ":" : "", dir);
		(void)!snprintf(dir, sizeof(dir), "%s/lower%u/file%u", h->dir, i, i);
		(void)close(open(dir, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	buf_puts(&b, "\"]}");
	sh(h, "overlay", "ls /tmp | wc -l; grep ' /tmp ' /proc/mounts | cut -c 1-30",
	   b.data, "", "", "12\no /tmp overlay ro,nosuid,relat\n");
	buf_release(&b);
}

static void test_paths(struct host *h)
{
	sh(h, "masked and read-only paths",
	   "wc -c < /proc/cpuinfo; ls /etc | wc -l; ls /proc/fs | wc -l; touch /tmp/x || echo ro; "
	   "echo 1 > /proc/sys/kernel/msgmax || echo ro",
	   "",
	   ",\"maskedPaths\":[\"/proc/cpuinfo\",\"/etc\",\"/proc/fs\",\"/not/there\"],"
	   "\"readonlyPaths\":[\"/tmp\",\"/proc/sys\",\"/nor/this\"]",
	   "", "0\n0\n0\nro\nro\n");
	sh(h, "read-only root", "touch /x || echo ro; touch /dev/x && echo rw", "", "",
	   ",\"annotations\":{\"x\":\"readonly root\"}", "ro\nrw\n");
}

/* A root file system that lies about where its directories are. */
static void test_escape(struct host *h)
{
	char root[128];
	char path[256];
	char victim[128];

	host_root(h, "root0", root);
	(void)!snprintf(victim, sizeof(victim), "%s/victim", h->dir);
	(void)mkdir(victim, 0755);
	(void)!snprintf(path, sizeof(path), "%s/out", root);
	(void)!symlink("../victim", path);
	(void)!snprintf(path, sizeof(path), "%s/abs", root);
	(void)!symlink("/tmp", path);
	(void)!snprintf(path, sizeof(path), "%s/dangling", root);
	(void)!symlink("/no/where", path);
	(void)!snprintf(path, sizeof(path), "%s/loop", root);
	(void)!symlink("loop", path);
	sh(h, "links stay below the root",
	   "ls -d /victim/new /tmp/new/deep; stat -f -c %T /victim/new /tmp/new/deep",
	   ",{\"destination\":\"/out/new\",\"type\":\"tmpfs\"},"
	   "{\"destination\":\"/abs/../abs/new/deep\",\"type\":\"tmpfs\"}",
	   "", "", "/tmp/new/deep\n/victim/new\ntmpfs\ntmpfs\n");
	(void)!snprintf(path, sizeof(path), "%s/new", victim);
	is_int(access(path, F_OK), -1, "nothing was made outside");
	sh(h, "a link that leads nowhere", "stat -f -c %T /no/where/x",
	   ",{\"destination\":\"/dangling/x\",\"type\":\"tmpfs\"}", "", "", "tmpfs\n");
	refused(h, "a link that leads to itself",
		",{\"destination\":\"/loop/x\",\"type\":\"tmpfs\"}", "/loop/x");
	refused(h, "the root itself", ",{\"destination\":\"/tmp/..\",\"type\":\"tmpfs\"}",
		"top of rootfs");
	refused(h, "a path in /proc",
		",{\"destination\":\"/proc/sys/kernel\",\"type\":\"tmpfs\"}",
		"inside /proc");
	refused(h, "something else on /proc",
		",{\"destination\":\"//proc/.\",\"type\":\"tmpfs\"}", "not of type proc");
	refused(h, "proc behind a link", ",{\"destination\":\"/abs\",\"type\":\"proc\"}",
		"ordinary directory");
}

/* Rules for devices: who may make nodes may still not open them. */
static void test_device_rules(struct host *h)
{
	static const char try[] =
		"mknod /dev/m c 1 11 && echo made; cat /dev/null && echo null; "
		"(: < /dev/m) 2>&1 || :; dd if=/dev/zero bs=1 count=1 2>/dev/null | wc -c";

	sh(h, "devices denied", try, "",
	   ",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}", "",
	   "made\nnull\nsh: 1: cannot open /dev/m: Operation not permitted\n1\n");
	sh(h, "one allowed", try, "",
	   ",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	   "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"}]}",
	   "", "made\nnull\n1\n");
	sh(h, "all allowed", try, "",
	   ",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	   "{\"allow\":true,\"access\":\"rwm\"}]}",
	   "", "made\nnull\n1\n");
	sh(h, "one denied again", try, "",
	   ",\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rwm\"},"
	   "{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"}]}",
	   "", "made\nnull\nsh: 1: cannot open /dev/m: Operation not permitted\n1\n");
}

int main(void)
{
	static struct host h;

	if (!host_possible())
		return TAP_SKIP;
	host_start(&h);
	test_dev(&h);
	test_options(&h);
	test_overlay(&h);
	test_paths(&h);
	test_escape(&h);
	test_device_rules(&h);
	host_stop(&h);
	return tap_done();
}
