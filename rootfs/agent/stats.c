/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "vmm/cgroup_stats.h"

#define MAX_FILE (64u << 10) /* (bytes) of one file */
#define NS_PER_US 1000u

static const char *const memory_names[] = { CGROUP_MEMORY_KEYS(CGROUP_MEMORY_NAME) };

/* text_of() - the file @name, which stays in @b; NULL: it is not there. */
static char *text_of(int cgroup, const char *name, struct buf *b)
{
	b->len = 0;
	return io_read_file(cgroup, name, MAX_FILE, b, NULL) == 0 ? b->data : NULL;
}

/* number() - "max" is CGROUP_NO_LIMIT, what is no number 0. */
static uint64_t number(const char *text)
{
	return strncmp(text, "max", 3) == 0 ? CGROUP_NO_LIMIT : strtoull(text, NULL, 10);
}

/* read_number() - the only number of a file; 0: it is not there. */
static uint64_t read_number(int cgroup, const char *name, struct buf *b)
{
	const char *text = text_of(cgroup, name, b);

	return text ? number(text) : 0;
}

/*
 * next_pair() - the next "key value" line of *@text, which moves behind it.
 * Return: the key, terminated; NULL: no line is left
 */
static char *next_pair(char **text, uint64_t *ret_value)
{
	char *line;

	while ((line = strsep(text, "\n"))) {
		char *value = strchr(line, ' ');

		if (!value)
			continue;
		*value++ = 0;
		*ret_value = number(value);
		return line;
	}
	return NULL;
}

/* read_key() - the number behind @key in the "key value" file @name, or 0. */
static uint64_t read_key(int cgroup, const char *name, const char *key, struct buf *b)
{
	char *text = text_of(cgroup, name, b);
	uint64_t value;
	const char *k;

	while (text && (k = next_pair(&text, &value)))
		if (strcmp(k, key) == 0)
			return value;
	return 0;
}

static void read_cpu(int cgroup, struct cgroup_stats *s, struct buf *b)
{
	const struct {
		const char *key;
		uint64_t *to;
		uint64_t unit;
	} fields[] = {
		{ "usage_usec", &s->cpu_total, NS_PER_US },
		{ "user_usec", &s->cpu_user, NS_PER_US },
		{ "system_usec", &s->cpu_system, NS_PER_US },
		{ "nr_periods", &s->cpu_periods, 1 },
		{ "nr_throttled", &s->cpu_throttled_periods, 1 },
		{ "throttled_usec", &s->cpu_throttled, NS_PER_US },
	};
	char *text = text_of(cgroup, "cpu.stat", b);
	uint64_t value;
	const char *key;

	while (text && (key = next_pair(&text, &value)))
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (strcmp(key, fields[i].key) == 0)
				*fields[i].to = value * fields[i].unit;
}

static void read_memory(int cgroup, struct cgroup_stats *s, struct buf *b)
{
	char *text = text_of(cgroup, "memory.stat", b);
	uint64_t value;
	const char *key;

	while (text && (key = next_pair(&text, &value))) {
		for (unsigned int i = 0; i < ARRAY_SIZE(memory_names); i++) {
			if (strcmp(key, memory_names[i]) != 0)
				continue;
			s->memory[i] = value;
			s->memory_keys |= 1ull << i;
			break;
		}
	}
	s->memory_usage = read_number(cgroup, "memory.current", b);
	s->memory_peak = read_number(cgroup, "memory.peak", b);
	s->memory_limit = read_number(cgroup, "memory.max", b);
	s->swap_usage = read_number(cgroup, "memory.swap.current", b);
	s->swap_peak = read_number(cgroup, "memory.swap.peak", b);
	s->swap_limit = read_number(cgroup, "memory.swap.max", b);
	s->memory_failures = read_key(cgroup, "memory.events", "max", b);
}

/* hundredths() - "1.25" is 125. */
static uint32_t hundredths(const char *text)
{
	char *end;
	unsigned long whole = strtoul(text, &end, 10);
	unsigned long part = 0;

	if (end[0] == '.' && end[1] >= '0' && end[1] <= '9') {
		part = (unsigned long)(end[1] - '0') * 10;
		if (end[2] >= '0' && end[2] <= '9')
			part += (unsigned long)(end[2] - '0');
	}
	return (uint32_t)(whole * 100 + part);
}

/* parse_pressure() - "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static void parse_pressure(char *line, struct cgroup_psi_stats *ret)
{
	const char *kind = strsep(&line, " ");
	struct cgroup_pressure *p = strcmp(kind, "full") == 0 ? &ret->full : &ret->some;
	char *word;

	while ((word = strsep(&line, " "))) {
		if (strncmp(word, "avg10=", 6) == 0)
			p->avg10 = hundredths(word + 6);
		else if (strncmp(word, "avg60=", 6) == 0)
			p->avg60 = hundredths(word + 6);
		else if (strncmp(word, "avg300=", 7) == 0)
			p->avg300 = hundredths(word + 7);
		else if (strncmp(word, "total=", 6) == 0)
			p->total = number(word + 6);
	}
}

static void read_psi(int cgroup, struct cgroup_stats *s, struct buf *b)
{
	static const char *const files[] = {
		[CGROUP_PSI_CPU] = "cpu.pressure",
		[CGROUP_PSI_MEMORY] = "memory.pressure",
		[CGROUP_PSI_IO] = "io.pressure",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++) {
		/* With psi=0 the files are there, and reading them fails. */
		char *text = text_of(cgroup, files[i], b);
		char *line;

		if (text)
			s->have |= (uint32_t)CGROUP_HAVE_PSI << i;
		while ((line = strsep(&text, "\n")))
			parse_pressure(line, &s->psi[i]);
	}
}

/* parse_io() - "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void parse_io(char *line, struct cgroup_stats *s)
{
	struct cgroup_io_stats io = { 0 };
	char *word = strsep(&line, " ");
	char *end;

	io.major = (uint32_t)strtoul(word, &end, 10);
	if (end == word || *end != ':')
		return;
	io.minor = (uint32_t)strtoul(end + 1, NULL, 10);
	if (!line || s->n_io == CGROUP_MAX_IO)
		return;
	while ((word = strsep(&line, " "))) {
		if (strncmp(word, "rbytes=", 7) == 0)
			io.rbytes = number(word + 7);
		else if (strncmp(word, "wbytes=", 7) == 0)
			io.wbytes = number(word + 7);
		else if (strncmp(word, "rios=", 5) == 0)
			io.rios = number(word + 5);
		else if (strncmp(word, "wios=", 5) == 0)
			io.wios = number(word + 5);
	}
	s->io[s->n_io++] = io;
}

static void read_io(int cgroup, struct cgroup_stats *s, struct buf *b)
{
	char *text = text_of(cgroup, "io.stat", b);
	char *line;

	while ((line = strsep(&text, "\n")))
		parse_io(line, s);
}

static void read_hugetlb(int cgroup, struct cgroup_stats *s, struct buf *b)
{
	/* The sizes of x86; those that the kernel does not have are left out. */
	static const struct {
		const char *name;
		uint64_t size;
	} pages[] = { { "2MB", 2ull << 20 }, { "1GB", 1ull << 30 } };

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		struct cgroup_hugetlb_stats *h = &s->hugetlb[s->n_hugetlb];
		char name[64];

		(void)!snprintf(name, sizeof(name), "hugetlb.%s.current", pages[i].name);
		if (!text_of(cgroup, name, b))
			continue;
		h->page_size = pages[i].size;
		h->usage = number(b->data);
		(void)!snprintf(name, sizeof(name), "hugetlb.%s.events", pages[i].name);
		h->failures = read_key(cgroup, name, "max", b);
		s->n_hugetlb++;
	}
}

int stats_read(int cgroup, struct cgroup_stats *ret)
{
	auto_buf struct buf b = BUF_INIT;
	struct cgroup_stats s = { 0 };

	/* Any of the files fits: no read fails for want of memory from here on. */
	if (buf_reserve(&b, MAX_FILE) < 0)
		return -ENOMEM;
	read_cpu(cgroup, &s, &b);
	read_memory(cgroup, &s, &b);
	s.pids = read_number(cgroup, "pids.current", &b);
	s.pids_limit = read_number(cgroup, "pids.max", &b);
	read_psi(cgroup, &s, &b);
	read_io(cgroup, &s, &b);
	read_hugetlb(cgroup, &s, &b);
	*ret = s;
	return 0;
}
