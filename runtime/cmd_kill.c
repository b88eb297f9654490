/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <signal.h>

#include "lib/err.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/signals.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/*
 * all_gone() - a container without a pid namespace of its own may outlive its init, so a
 * SIGKILL is for all its processes, and in runc no error when there are none.
 */
static bool all_gone(const struct container *c, int sig)
{
	auto_oci_spec struct oci_spec *spec = NULL;

	return sig == SIGKILL && container_spec(c, &spec, NULL) == 0 &&
	       !oci_namespace(spec, OCI_NS_PID);
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	bool all = cli_flag(&cli->options, "all");
	int sig;
	int ret;

	ret = container_of(cli, &c, err);
	if (ret < 0)
		return ret;
	sig = signal_parse(cli->argc > 1 ? cli->argv[1] : "SIGTERM", err);
	if (sig < 0)
		return sig;
	if (container_status(c) == CONTAINER_STOPPED) {
		/* With --all there is just nobody to kill, as in runc. */
		if (all || all_gone(c, sig))
			return 0;
		return err_msg(err, ESRCH, "container not running");
	}
	if (sig == 0) /* kill(2): nothing is sent */
		return 0;
	return control_call(c,
			    &(struct control_request){
				    .type = CONTROL_KILL, .a = (uint32_t)sig, .b = all },
			    NULL, err);
}

static const struct option_def options[] = {
	{ OPTION_BOOL, "all", "a", NULL, "send the signal to all processes", NULL },
	{ 0 },
};

const struct command cmd_kill = {
	.name = "kill",
	.synopsis = "<container-id> [signal]",
	.summary = "send a signal to the container's init (default: SIGTERM)",
	.options = options,
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
