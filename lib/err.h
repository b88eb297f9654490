/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct err - why a call failed, by value, on the caller's stack.
 *
 * A fallible function returns 0 (or a count, or an fd) on success and -errno on
 * failure, and takes `struct err *err` as its last argument.  On success err is
 * untouched; on failure it holds one line that names the file, the field or the
 * call, and the reason.  A caller may pass NULL when it only wants the code.
 *
 *	fd = open(path, O_RDONLY | O_CLOEXEC);
 *	if (fd < 0)
 *		return err_set(err, errno, "open '%s'", path);
 *	...
 *	ret = load_kernel(fd, err);
 *	if (ret < 0)
 *		return err_wrap(err, ret, "load kernel");
 *
 * gives "load kernel: open '/x': No such file or directory".  There is no heap
 * behind it, so it works after fork() and without memory, and crosses a socket
 * whole.  Any thread may use its own struct err.
 */
#ifndef HULL_LIB_ERR_H
#define HULL_LIB_ERR_H

#define ERR_MSG_SIZE 512

struct err {
	int code; /* errno value, > 0; 0 while nothing failed */
	char msg[ERR_MSG_SIZE]; /* always terminated; cut messages end in "..." */
};

#define ERR_INIT ((struct err){ 0 })

/*
 * err_set() - fill in err: "<formatted message>: <strerror(code)>".
 * @code: (errno) > 0; pass errno as the first thing after the failing call
 *
 * Return: -code
 */
int err_set(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * err_msg() - like err_set(), without the strerror() text: for reasons that are
 * not a system call's ("config.json: process.args is empty").
 *
 * Return: -code
 */
int err_msg(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * err_wrap() - put "<formatted message>: " before what err says already.
 * @ret: the negative value that the failing call returned
 *
 * Return: @ret
 */
int err_wrap(struct err *err, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
