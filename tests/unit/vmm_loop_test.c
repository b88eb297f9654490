/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/loop.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "tests/unit/tap.h"

#define N 3

/* Three sources that are ready at once; each may do something to another. */
struct party {
	struct loop_source source; /* first: the callback casts back */
	unsigned int calls;
	struct party *remove; /* taken off the loop by the callback */
	struct party *readd; /* taken off and watched again */
	bool quit;
};

static struct loop *loop;
static struct party party[N];
static int fds[N];
static unsigned int order;

static void put(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		(void)printf("# eventfd is full\n");
}

static void take(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != sizeof(n))
		(void)printf("# eventfd is empty\n");
}

static void ready(struct loop_source *src, uint32_t events)
{
	struct party *p = (struct party *)src;

	p->calls++;
	order++;
	if (!(events & EPOLLIN))
		(void)printf("# events %u\n", events);
	if (p->remove)
		loop_remove(loop, &p->remove->source);
	if (p->readd) {
		int fd = p->readd->source.fd;

		loop_remove(loop, &p->readd->source);
		(void)loop_add(loop, &p->readd->source, fd, EPOLLIN | EPOLLET, ready,
			       NULL);
		p->readd = NULL;
	}
	if (p->quit || order > 100)
		loop_quit(loop);
}

/* start() - three fresh eventfds on a fresh loop, edge triggered. */
static void start(void)
{
	struct err err = ERR_INIT;

	memset(party, 0, sizeof(party));
	order = 0;
	ok(loop_new(&loop, &err) == 0, "a loop");
	for (int i = 0; i < N; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		is_int(loop_add(loop, &party[i].source, fds[i], EPOLLIN | EPOLLET, ready,
				&err),
		       0, "a source");
	}
}

static void stop(void)
{
	for (int i = 0; i < N; i++) {
		loop_remove(loop, &party[i].source);
		loop_remove(loop, &party[i].source);
		(void)close(fds[i]);
	}
	loop_free(loop);
}

static void run(void)
{
	struct err err = ERR_INIT;

	is_int(loop_run(loop, &err), 0, "the loop ends when told to");
}

static void test_all_are_called(void)
{
	start();
	party[N - 1].quit = true;
	run();
	is_int(party[0].calls, 1, "first called once");
	is_int(party[1].calls, 1, "second called once");
	is_int(party[2].calls, 1, "third called once");
	stop();
}

/* Whoever is dispatched first takes the other two off: they are in the same batch. */
static void test_removed_in_the_same_round(void)
{
	start();
	party[0].remove = &party[1];
	party[2].quit = true;
	run();
	is_int(party[0].calls, 1, "the one that removes is called");
	is_int(party[1].calls, 0, "the removed one is not, though it was ready");
	is_int(party[2].calls, 1, "the one behind it is");
	stop();
}

static void test_removes_itself(void)
{
	start();
	for (int i = 0; i < N; i++)
		party[i].remove = &party[i];
	party[2].quit = true;
	run();
	is_int(party[0].calls + party[1].calls + party[2].calls, 3,
	       "each may take itself off");
	ok(!party[0].source.ready, "and is forgotten");
	stop();
}

static void test_readded_in_the_same_round(void)
{
	start();
	party[0].readd = &party[1];
	party[1].quit = true;
	run();
	is_int(party[1].calls, 1,
	       "a source that came back is called once, not for old events");
	stop();
}

/* Edge triggered events that were reported before loop_quit() are not lost. */
static void test_quit_keeps_the_batch(void)
{
	start();
	for (int i = 0; i < N; i++)
		party[i].quit = true;
	run();
	is_int(order, 1, "one callback, then the loop ended");
	run();
	run();
	is_int(order, 3, "the next runs dispatch what was left");
	ok(party[0].calls == 1 && party[1].calls == 1 && party[2].calls == 1,
	   "each once");
	stop();
}

static void test_modify(void)
{
	start();
	loop_remove(loop, &party[1].source);
	loop_remove(loop, &party[2].source);
	is_int(loop_modify(loop, &party[0].source, 0), 0, "watch for nothing");
	is_int(loop_add(loop, &party[1].source, fds[1], EPOLLIN, ready, NULL), 0,
	       "another");
	party[1].quit = true;
	run();
	is_int(party[0].calls, 0, "no event while nothing is watched for");
	take(fds[1]);
	is_int(loop_modify(loop, &party[0].source, EPOLLIN), 0, "watch again");
	party[0].quit = true;
	run();
	is_int(party[0].calls, 1, "the event is there");
	put(fds[1]);
	run();
	ok(party[0].calls + party[1].calls == 3, "level triggered goes on");
	stop();
}

static void test_errors(void)
{
	struct err err = ERR_INIT;
	struct loop_source src = { 0 };

	ok(loop_new(&loop, &err) == 0, "a loop");
	is_int(loop_add(loop, &src, -1, EPOLLIN, ready, &err), -EBADF,
	       "a bad descriptor");
	ok(strstr(err.msg, "epoll_ctl"), "%s", err.msg);
	ok(!src.ready, "was not added");
	loop_remove(loop, &src);
	loop_free(loop);
	loop_free(NULL);
}

int main(void)
{
	test_all_are_called();
	test_removed_in_the_same_round();
	test_removes_itself();
	test_readded_in_the_same_round();
	test_quit_keeps_the_batch();
	test_modify();
	test_errors();
	return tap_done();
}
