/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ps_table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/control.h"

#define NS_PER_S 1000000000ull
#define DAY_S (24ull * 60 * 60)

struct cell {
	const struct control_ps *ps;
	uint64_t now_ns;
	struct buf *b;
};

static uint64_t elapsed_s(const struct cell *c)
{
	/* Two clocks: the guest's may be ahead of ours. */
	return c->now_ns > c->ps->start_ns ? (c->now_ns - c->ps->start_ns) / NS_PER_S : 0;
}

/* cpu_permille() - processor time used, of the time since the start */
static unsigned long long cpu_permille(const struct cell *c)
{
	uint64_t s = elapsed_s(c);
	uint64_t permille = s ? c->ps->cpu_ns / (s * (NS_PER_S / 1000)) : 0;

	return permille > 999999 ? 999999 : permille;
}

static void put_pid(const struct cell *c)
{
	(void)buf_printf(c->b, "%d", c->ps->pid);
}

static void put_ppid(const struct cell *c)
{
	(void)buf_printf(c->b, "%d", c->ps->ppid);
}

static void put_uid(const struct cell *c)
{
	(void)buf_printf(c->b, "%u", c->ps->uid);
}

/* put_user() - root is called so everywhere; who else has a name, the image knows. */
static void put_user(const struct cell *c)
{
	if (c->ps->uid)
		put_uid(c);
	else
		(void)buf_puts(c->b, "root");
}

static void put_c(const struct cell *c)
{
	(void)buf_printf(c->b, "%llu", cpu_permille(c) / 10);
}

static void put_permille(const struct cell *c, unsigned long long permille)
{
	(void)buf_printf(c->b, "%llu.%llu", permille / 10, permille % 10);
}

static void put_pcpu(const struct cell *c)
{
	put_permille(c, cpu_permille(c));
}

static void put_pmem(const struct cell *c)
{
	put_permille(c, c->ps->mem_permille);
}

static void put_vsz(const struct cell *c)
{
	(void)buf_printf(c->b, "%llu", (unsigned long long)c->ps->vsize >> 10);
}

static void put_rss(const struct cell *c)
{
	(void)buf_printf(c->b, "%llu", (unsigned long long)c->ps->rss >> 10);
}

/* put_tty() - the major numbers are those of the kernel's devices.txt. */
static void put_tty(const struct cell *c)
{
	unsigned int major_nr = major(c->ps->tty);
	unsigned int minor_nr = minor(c->ps->tty);

	if (!c->ps->tty)
		(void)buf_puts(c->b, "?");
	else if (major_nr >= 136 && major_nr <= 143)
		(void)buf_printf(c->b, "pts/%u", minor_nr + ((major_nr - 136) << 8));
	else
		(void)buf_printf(c->b, "%u:%u", major_nr, minor_nr);
}

static void put_stat(const struct cell *c)
{
	(void)buf_printf(c->b, "%.*s", (int)sizeof(c->ps->stat), c->ps->stat);
}

static void put_state(const struct cell *c)
{
	(void)buf_printf(c->b, "%.1s", c->ps->stat);
}

/* put_stime() - the time of a start within a day, the date of an older one. */
static void put_stime(const struct cell *c)
{
	time_t start = (time_t)(c->ps->start_ns / NS_PER_S);
	struct tm tm;
	char text[16];

	if (!localtime_r(&start, &tm) ||
	    !strftime(text, sizeof(text), elapsed_s(c) < DAY_S ? "%H:%M" : "%b%d", &tm))
		(void)buf_puts(c->b, "?");
	else
		(void)buf_puts(c->b, text);
}

static void put_days(const struct cell *c, unsigned long long s)
{
	if (s >= DAY_S)
		(void)buf_printf(c->b, "%llu-", s / DAY_S);
}

static void put_time(const struct cell *c)
{
	unsigned long long s = c->ps->cpu_ns / NS_PER_S;

	put_days(c, s);
	(void)buf_printf(c->b, "%02llu:%02llu:%02llu", s % DAY_S / 3600, s / 60 % 60,
			 s % 60);
}

static void put_bsdtime(const struct cell *c)
{
	unsigned long long s = c->ps->cpu_ns / NS_PER_S;

	(void)buf_printf(c->b, "%llu:%02llu", s / 60, s % 60);
}

static void put_etime(const struct cell *c)
{
	unsigned long long s = elapsed_s(c);

	put_days(c, s);
	if (s >= 3600)
		(void)buf_printf(c->b, "%02llu:", s % DAY_S / 3600);
	(void)buf_printf(c->b, "%02llu:%02llu", s / 60 % 60, s % 60);
}

static void put_threads(const struct cell *c)
{
	(void)buf_printf(c->b, "%u", c->ps->threads);
}

/* put_plain() - a text of the guest's: it ends where its room ends. */
static void put_plain(const struct cell *c, const char *text, size_t room)
{
	for (size_t i = 0; i < room && text[i]; i++) {
		unsigned char byte = (unsigned char)text[i];
		bool acts = byte < ' ' || byte == 0x7f;

		(void)buf_append(c->b, acts ? "?" : &text[i], 1);
	}
}

static void put_comm(const struct cell *c)
{
	put_plain(c, c->ps->comm, sizeof(c->ps->comm));
}

static void put_args(const struct cell *c)
{
	put_plain(c, c->ps->args, sizeof(c->ps->args));
}

/* The columns by their names of ps(1) -o. */
static const struct column {
	const char *names; /* with spaces between them */
	const char *header;
	int width; /* (characters) below 0: to the left */
	void (*put)(const struct cell *c);
} all_columns[] = {
	{ "pid", "PID", 7, put_pid },
	{ "ppid", "PPID", 7, put_ppid },
	{ "uid euid", "UID", 5, put_uid },
	{ "user euser uname", "USER", -8, put_user },
	{ "uid_hack", "UID", -8, put_user }, /* that of -f, as ps(1) calls it */
	{ "c", "C", 2, put_c },
	{ "pcpu %cpu", "%CPU", 4, put_pcpu },
	{ "pmem %mem", "%MEM", 4, put_pmem },
	{ "vsz vsize", "VSZ", 7, put_vsz },
	{ "rss rssize rsz", "RSS", 6, put_rss },
	{ "tty tt tname", "TTY", -8, put_tty },
	{ "stat", "STAT", -4, put_stat },
	{ "state s", "S", -1, put_state },
	{ "stime", "STIME", 5, put_stime },
	{ "start start_time bsdstart", "START", 5, put_stime },
	{ "time cputime", "TIME", 8, put_time },
	{ "bsdtime", "TIME", 6, put_bsdtime },
	{ "etime", "ELAPSED", 11, put_etime },
	{ "nlwp thcount", "NLWP", 4, put_threads },
	{ "comm ucomm", "COMMAND", -15, put_comm },
	{ "ucmd", "CMD", -15, put_comm },
	{ "args command", "COMMAND", -27, put_args },
	{ "cmd", "CMD", -27, put_args },
};

static bool is_one_of(const char *names, const char *name, size_t len)
{
	for (const char *p = names; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && !memcmp(p, name, len))
			return true;
		p += n;
	}
	return false;
}

static int add_column(struct ps_table *t, const char *name, size_t len, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_columns); i++) {
		if (!is_one_of(all_columns[i].names, name, len))
			continue;
		if (t->n == PS_TABLE_MAX_COLUMNS)
			return err_msg(err, EINVAL, "ps: more than %d columns",
				       PS_TABLE_MAX_COLUMNS);
		t->columns[t->n++] = (unsigned char)i;
		return 0;
	}
	return err_msg(err, EINVAL, "ps: -o: unknown column '%.*s'", (int)len, name);
}

/* add_columns() - a list with commas or spaces */
static int add_columns(struct ps_table *t, const char *list, struct err *err)
{
	int ret = 0;

	for (const char *p = list + strspn(list, ", "); *p && ret == 0;
	     p += strspn(p, ", ")) {
		size_t len = strcspn(p, ", ");

		ret = add_column(t, p, len, err);
		p += len;
	}
	return ret;
}

/* What the letters of the options ask for. */
struct wish {
	bool full; /* -f */
	bool bsd; /* x */
	bool user; /* u */
	bool every; /* -e alone */
};

/*
 * take_word() - the letters of one word; 'o' takes the rest of it, or @next.
 * Return: how many words were used; -EINVAL
 */
static int take_word(struct ps_table *t, struct wish *w, const char *word,
		     const char *next, struct err *err)
{
	const char *p = word + (*word == '-');

	for (; *p; p++) {
		switch (*p) {
		case 'o':
			if (!p[1] && !next)
				return err_msg(err, EINVAL,
					       "ps: -o needs a list of columns");
			if (add_columns(t, p[1] ? p + 1 : next, err) < 0)
				return -EINVAL;
			return p[1] ? 1 : 2;
		case 'f': /* without a dash it is the forest, which is not drawn */
			w->full |= *word == '-';
			break;
		case 'x':
			w->bsd = true;
			break;
		case 'u':
			w->user = true;
			break;
		case 'e':
		case 'A':
			w->every |= *word == '-';
			break;
		case 'a':
		case 'd':
		case 'w':
			break;
		default:
			return err_msg(err, EINVAL, "ps: unknown option '%c' in '%s'", *p,
				       word);
		}
	}
	return 1;
}

static const char *form(const struct wish *w)
{
	if (w->user)
		return "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,bsdtime,args";
	if (w->bsd)
		return "pid,tty,stat,bsdtime,args";
	if (w->every && !w->full)
		return "pid,tty,time,ucmd";
	return "uid_hack,pid,ppid,c,stime,tty,time,cmd";
}

int ps_table_choose(struct ps_table *t, char *const *words, int n, struct err *err)
{
	struct wish w = { 0 };
	int used;

	t->n = 0;
	for (int i = 0; i < n; i += used) {
		used = take_word(t, &w, words[i], i + 1 < n ? words[i + 1] : NULL, err);
		if (used < 0)
			return used;
	}
	return t->n ? 0 : add_columns(t, form(&w), err);
}

/* pad() - @text in its column; the last one has no end to fill up. */
static void pad(struct buf *b, int width, bool last, const char *text)
{
	if (last && width < 0)
		(void)buf_puts(b, text);
	else
		(void)buf_printf(b, "%*s%s", width, text, last ? "" : " ");
}

static void print_line(const struct ps_table *t, const struct cell *c, struct buf *b)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct column *column = &all_columns[t->columns[i]];

		c->b->len = 0;
		column->put(c);
		pad(b, column->width, i + 1 == t->n, c->b->data ? c->b->data : "");
	}
	(void)buf_puts(b, "\n");
}

void ps_table_print(const struct ps_table *t, const struct control_ps *ps, size_t n,
		    uint64_t now_ns, struct buf *b)
{
	auto_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < t->n; i++)
		pad(b, all_columns[t->columns[i]].width, i + 1 == t->n,
		    all_columns[t->columns[i]].header);
	(void)buf_puts(b, "\n");
	for (size_t i = 0; i < n; i++)
		print_line(t, &(struct cell){ &ps[i], now_ns, &text }, b);
	b->oom |= text.oom;
}
