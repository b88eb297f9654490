/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/stats_json.h"
#include "runtime/units.h"
#include "runtime/verbs.h"
#include "vmm/cgroup_stats.h"
#include "vmm/control.h"

#define NS_PER_S 1000000000

static int read_stats(const struct container *c, struct cgroup_stats *ret,
		      struct err *err)
{
	auto_buf struct buf payload = BUF_INIT;
	const struct control_request request = { .type = CONTROL_CGROUP_STATS };
	int r = control_call(c, &request, &payload, err);

	if (r < 0)
		return r;
	if (payload.len != sizeof(*ret))
		return err_msg(err, EPROTO, "hull-vmm sent counters of %zu bytes",
			       payload.len);
	memcpy(ret, payload.data, sizeof(*ret));
	if (ret->n_io > CGROUP_MAX_IO || ret->n_hugetlb > CGROUP_MAX_HUGETLB)
		return err_msg(err, EPROTO, "hull-vmm sent malformed counters");
	return 0;
}

static int print_stats(const struct container *c, const struct cgroup_stats *stats,
		       struct err *err)
{
	auto_buf struct buf b = BUF_INIT;

	if (stats_event(c->id, stats, &c->rdt, &b) < 0)
		return err_set(err, ENOMEM, "events");
	return print_out(b.data, err);
}

/* print_event() - one that hull-vmm tells of; those that are not known are left out. */
static int print_event(const struct container *c, const struct control_answer *event,
		       struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int ret;

	if (event->type == CONTROL_OOM)
		ret = oom_event(c->id, &b);
	else if (event->type == CONTROL_FROZEN)
		ret = freeze_event(c->id, event->a, event->b, &b);
	else if (event->type == CONTROL_THAWED)
		ret = thaw_event(c->id, event->a, &b);
	else
		return 0;
	return ret < 0 ? err_set(err, ENOMEM, "events") : print_out(b.data, err);
}

/* on_tick() - a failure ends nothing: the container's end comes by the other way. */
static int on_tick(const struct container *c, int timer, struct err *err)
{
	struct cgroup_stats stats;
	struct err why = ERR_INIT;
	uint64_t ticks;

	(void)!read(timer, &ticks, sizeof(ticks)); /* those that were missed count once */
	if (read_stats(c, &stats, &why) == 0)
		return print_stats(c, &stats, err);
	if (why.code != ESRCH && why.code != ECONNRESET)
		log_error("%s", why.msg);
	return 0;
}

/* on_message() - 1: go on; 0: the container has ended. */
static int on_message(const struct container *c, int sock, struct err *err)
{
	struct control_answer answer;
	int ret = control_receive(sock, &answer, NULL, err);

	if (ret <= 0 || answer.type == CONTROL_EXIT)
		return ret < 0 ? ret : 0;
	ret = print_event(c, &answer, err);
	return ret < 0 ? ret : 1;
}

/* subscribe() - a connection on which hull-vmm tells of events; -errno. */
static int subscribe(const struct container *c, struct err *err)
{
	const struct control_request request = { .type = CONTROL_EVENTS };
	auto_fd int sock = -1;
	int ret = control_connect(c, &sock, err);

	if (ret == 0)
		ret = control_exchange(sock, &request, NULL, err);
	return ret < 0 ? ret : take_fd(&sock);
}

static int start_timer(int64_t interval_ns, struct err *err)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(interval_ns / NS_PER_S),
		.tv_nsec = (long)(interval_ns % NS_PER_S),
	};
	const struct itimerspec spec = { .it_interval = ts, .it_value = ts };
	auto_fd int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &spec, NULL) < 0)
		return err_set(err, errno, "timer");
	return take_fd(&fd);
}

/* follow() - until the container ends. */
static int follow(const struct container *c, int64_t interval_ns, struct err *err)
{
	auto_fd int sock = subscribe(c, err);
	auto_fd int timer = -1;
	int ret = 1;

	if (sock < 0)
		return sock;
	timer = start_timer(interval_ns, err);
	if (timer < 0)
		return timer;
	while (ret > 0) {
		struct pollfd p[] = {
			{ .fd = sock, .events = POLLIN },
			{ .fd = timer, .events = POLLIN },
		};

		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(err, errno, "poll");
		}
		if (p[0].revents)
			ret = on_message(c, sock, err);
		if (ret > 0 && p[1].revents) {
			int r = on_tick(c, timer, err);

			ret = r < 0 ? r : 1;
		}
	}
	return ret;
}

static int parse_interval(const struct cli *cli, int64_t *ret, struct err *err)
{
	const char *text = cli_string(&cli->options, "interval");

	if (units_duration(text, ret) < 0)
		return err_msg(err, EINVAL,
			       "invalid value \"%s\" for flag -interval: parse error",
			       text);
	if (*ret <= 0)
		return err_msg(err, EINVAL, "duration interval must be greater than 0");
	return 0;
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	struct cgroup_stats stats;
	int64_t interval_ns;
	int ret = container_of(cli, &c, err);

	if (ret == 0)
		ret = parse_interval(cli, &interval_ns, err);
	if (ret < 0)
		return ret;
	if (container_status(c) == CONTAINER_STOPPED)
		return err_msg(err, ESRCH, "container with id %s is not running", c->id);
	if (!cli_flag(&cli->options, "stats"))
		return follow(c, interval_ns, err);
	ret = read_stats(c, &stats, err);
	return ret < 0 ? ret : print_stats(c, &stats, err);
}

static const struct option_def options[] = {
	{ OPTION_STRING, "interval", NULL, "DURATION", "time between two stats events",
	  "5s" },
	{ OPTION_BOOL, "stats", NULL, NULL, "print the counters once, then exit", NULL },
	{ 0 },
};

const struct command cmd_events = {
	.name = "events",
	.synopsis = "<container-id>",
	.summary = "print a container's counters and what happens to it as JSON",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
