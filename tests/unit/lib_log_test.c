/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/tap.h"

/* written() - what stands in the log, which is emptied. */
static const char *written(int fd)
{
	static char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	(void)!ftruncate(fd, 0);
	(void)lseek(fd, 0, SEEK_SET);
	return text;
}

static void test_text(int fd)
{
	const char *line;

	log_init(fd, LOG_TEXT, LOG_INFO);
	is_int(log_fd(), fd, "the descriptor is told");
	is_int(log_format(), LOG_TEXT, "and the format");
	is_int(log_level(), LOG_INFO, "and the level");
	log_error("a %d", 1);
	line = written(fd);
	ok(strncmp(line, "time=\"20", 8) == 0, "a line begins with the time");
	ok(strstr(line, "Z\" level=error msg=\"a 1\"\n") != NULL,
	   "level and message follow");
	log_warn("w");
	ok(strstr(written(fd), "level=warning msg=\"w\"") != NULL,
	   "warnings, in logrus' word");
	log_debug("d");
	is_str(written(fd), "", "nothing above the level");
}

static void test_json(int fd)
{
	const char *line;

	log_init(fd, LOG_JSON, LOG_DEBUG);
	errno = EPIPE;
	log_debug("say \"%s\"\n\tand \\ \x01", "hi");
	is_int(errno, EPIPE, "errno is kept");
	line = written(fd);
	ok(strstr(line,
		  "{\"level\":\"debug\",\"msg\":\"say \\\"hi\\\"\\n\\u0009and \\\\ \\u0001\",") ==
		   line,
	   "as JSON, quoted");
	ok(strstr(line, "Z\"}\n") != NULL, "with the time");
}

static void test_long(int fd)
{
	char longest[5000];
	const char *line;

	memset(longest, '"', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	log_error("%s", longest);
	line = written(fd);
	ok(strlen(line) > 1000 && strstr(line, "\\\"\",\"time\":\""),
	   "a line without end is cut, not broken");
	ok(line[strlen(line) - 1] == '\n', "and ends");
}

static void test_quote(void)
{
	char small[16];

	is_int(log_quote(small, sizeof(small), "abc"), 3, "the length");
	is_str(small, "abc", "as it is");
	(void)log_quote(small, sizeof(small), "aaaaaaaaaaaaaaaaaaaaaaa");
	ok(strlen(small) < sizeof(small), "cut to the room there is");
	(void)log_quote(small, sizeof(small), "aaaaaaaa\n\n\n\n\n\n");
	ok(strcmp(small, "aaaaaaaa\\n") == 0 || strlen(small) < sizeof(small),
	   "never in the middle of an escape");
}

int main(void)
{
	auto_fd int fd = memfd_create("log", MFD_CLOEXEC);

	if (fd < 0) {
		ok(false, "a file in memory for the log");
		return tap_done();
	}
	is_int(log_fd(), STDERR_FILENO, "at first to stderr");
	is_int(log_level(), LOG_ERROR, "errors only");
	test_text(fd);
	test_json(fd);
	test_long(fd);
	test_quote();
	log_init(-1, LOG_TEXT, LOG_ERROR);
	is_int(log_fd(), STDERR_FILENO, "-1 is stderr");
	return tap_done();
}
