/* SPDX-License-Identifier: Apache-2.0 */
/* AGENT_WAKE: what a machine that was saved is told reaches the hook, and its answer us. */
#include "tests/unit/agent_host.h"

static int wake(void *opaque, const struct agent_wake *w, struct err *err)
{
	(void)opaque;
	if (w->realtime_ns == 7)
		return err_msg(err, EPERM, "set the clock: it is not ours");
	for (unsigned int i = 0; i < sizeof(w->seed); i++)
		if (w->seed[i] != (uint8_t)(3 * i))
			return err_msg(err, EBADMSG, "byte %u of the seed", i);
	return w->realtime_ns == 1234567890123456789u ? 0
						      : err_msg(err, EBADMSG, "the time");
}

static uint32_t tell(struct host *h, uint64_t realtime_ns)
{
	struct agent_wake w = { .realtime_ns = realtime_ns };

	for (unsigned int i = 0; i < sizeof(w.seed); i++)
		w.seed[i] = (uint8_t)(3 * i);
	return host_result(h, host_request(h, AGENT_WAKE, 0, 0, 0, 0, &w, sizeof(w)));
}

static void test_hook(void)
{
	struct host h;

	host_wake = wake;
	host_start(&h);
	(void)host_event(&h, AGENT_HELLO, 0, 0);
	is_int(tell(&h, 1234567890123456789u), 0, "the hook gets time and random bytes");
	is_int(tell(&h, 7), EPERM, "its failure is answered");
	is_str(h.last_payload, "set the clock: it is not ours", "with the reason");
	is_int(tell(&h, 1234567890123456789u), 0, "and the agent goes on");
	host_stop(&h);
}

static void test_no_hook(void)
{
	struct host h;

	host_wake = NULL;
	host_start(&h);
	(void)host_event(&h, AGENT_HELLO, 0, 0);
	is_int(tell(&h, 1), ENOTSUP, "without a hook it is refused");
	is_str(h.last_payload, "wake: Operation not supported", "by name");
	host_stop(&h);
}

int main(void)
{
	if (!host_possible())
		return TAP_SKIP;
	test_hook();
	test_no_hook();
	return tap_done();
}
