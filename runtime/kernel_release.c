/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/kernel_release.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

/*
 * The parts of the bzImage header used here.
 * Linux Documentation/x86/boot.rst, "The Real-Mode Kernel Header"
 */
#define BOOT_FLAG_AT 0x1fe
#define BOOT_FLAG 0xaa55
#define HEADER_MAGIC_AT 0x202 /* "HdrS" */
#define PROTOCOL_AT 0x206
#define PROTOCOL_MIN 0x0200 /* kernel_version exists since then */
#define KERNEL_VERSION_AT 0x20e /* u16: offset of the string, less 0x200 */
#define KERNEL_VERSION_BASE 0x200
#define SETUP_HEAD_SIZE 0x210

/* init/version.c: the banner starts with it, the release follows. */
static const char banner[] = "Linux version ";
#define BANNER_LEN (sizeof(banner) - 1)

/* How much of an image is looked at in one read, and the most of an ELF file. */
#define CHUNK_SIZE (64u << 10)
#define SECTIONS_MAX 4096u
#define SCAN_MAX (256ull << 20)

/* read_at() - @len bytes at @off. Return: 0; -ENODATA: the file is shorter */
static int read_at(int fd, void *data, size_t len, uint64_t off)
{
	size_t done = 0;

	if (off > INT64_MAX - len)
		return -ENODATA;
	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done,
				  (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static bool release_char(char c)
{
	return c > ' ' && c < 0x7f && c != '/';
}

/*
 * release_len() - how long the release at the start of @text is.
 * @len: (bytes) of @text
 *
 * Return: 0 when there is none: it begins with a digit and ends at a blank
 */
static size_t release_len(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && release_char(text[n]))
		n++;
	if (n == 0 || n == len || n >= KERNEL_RELEASE_SIZE)
		return 0;
	if (text[n] != ' ' && text[n] != '\0')
		return 0;
	return text[0] >= '0' && text[0] <= '9' ? n : 0;
}

static int hand_out(const char *release, size_t len, char *buf, size_t size,
		    struct err *err)
{
	if (len >= size)
		return err_set(err, ERANGE, "kernel release of %zu bytes", len);
	memcpy(buf, release, len);
	buf[len] = '\0';
	return 0;
}

static int bzimage_release(int fd, const uint8_t *head, char *buf, size_t size,
			   struct err *err)
{
	char text[KERNEL_RELEASE_SIZE + 1] = "";
	uint16_t at = le16(head + KERNEL_VERSION_AT);
	size_t len;
	int ret;

	if (le16(head + PROTOCOL_AT) < PROTOCOL_MIN || at == 0)
		return err_msg(err, EINVAL, "bzImage header holds no release");
	ret = read_at(fd, text, sizeof(text), KERNEL_VERSION_BASE + at);
	if (ret == -ENODATA)
		return err_msg(err, EINVAL,
			       "bzImage ends before its release string");
	if (ret < 0)
		return err_set(err, -ret, "read bzImage");
	len = release_len(text, sizeof(text));
	if (len == 0)
		return err_msg(err, EINVAL,
			       "bzImage header's release string is malformed");
	return hand_out(text, len, buf, size, err);
}

/*
 * scan_banner() - look for the banner in @len bytes at @off.
 *
 * Return: 1 found, 0 not there, -errno
 */
static int scan_banner(int fd, uint64_t off, uint64_t len, char *buf,
		       size_t size, struct err *err)
{
	/* So much of each chunk is looked at again with the next one. */
	const size_t overlap = BANNER_LEN + KERNEL_RELEASE_SIZE;
	auto_free char *chunk = malloc(CHUNK_SIZE);

	if (!chunk)
		return err_set(err, ENOMEM, "search kernel image");
	if (len > SCAN_MAX)
		len = SCAN_MAX;
	while (len > BANNER_LEN) {
		size_t n = len < CHUNK_SIZE ? (size_t)len : CHUNK_SIZE;
		char *p = chunk;
		int ret = read_at(fd, chunk, n, off);

		if (ret == -ENODATA)
			return err_msg(err, EINVAL, "kernel image is cut short");
		if (ret < 0)
			return err_set(err, -ret, "read kernel image");
		while ((p = memmem(p, n - (size_t)(p - chunk), banner,
				   BANNER_LEN))) {
			size_t room, rel;

			p += BANNER_LEN;
			room = n - (size_t)(p - chunk);
			rel = release_len(p, room);
			if (rel == 0)
				continue;
			ret = hand_out(p, rel, buf, size, err);
			return ret < 0 ? ret : 1;
		}
		if (n == len)
			break;
		off += n - overlap;
		len -= n - overlap;
	}
	return 0;
}

/*
 * find_rodata() - the section the banner is in, near its beginning.
 *
 * Return: 1 found, 0 no such section (the headers were stripped), -errno
 */
static int find_rodata(int fd, const Elf64_Ehdr *eh, Elf64_Shdr *ret_sh)
{
	static const char name[] = ".rodata";
	Elf64_Shdr strings, sh;
	char text[sizeof(name)];
	unsigned int i;
	int ret;

	if (eh->e_shentsize != sizeof(sh) || eh->e_shnum > SECTIONS_MAX ||
	    eh->e_shstrndx >= eh->e_shnum)
		return 0;
	if (eh->e_shoff > INT64_MAX / 2)
		return 0;
	ret = read_at(fd, &strings, sizeof(strings),
		      eh->e_shoff + eh->e_shstrndx * sizeof(strings));
	if (ret < 0)
		return ret == -ENODATA ? 0 : ret;
	for (i = 0; i < eh->e_shnum; i++) {
		ret = read_at(fd, &sh, sizeof(sh), eh->e_shoff + i * sizeof(sh));
		if (ret < 0)
			return ret == -ENODATA ? 0 : ret;
		if (sh.sh_type != SHT_PROGBITS ||
		    sh.sh_name > strings.sh_size ||
		    strings.sh_offset > INT64_MAX / 2)
			continue;
		/* A name at the very end of the table is not ours. */
		if (read_at(fd, text, sizeof(text),
			    strings.sh_offset + sh.sh_name) < 0)
			continue;
		if (memcmp(text, name, sizeof(name)) == 0) {
			*ret_sh = sh;
			return 1;
		}
	}
	return 0;
}

static int elf_release(int fd, const uint8_t *head, char *buf, size_t size,
		       struct err *err)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	Elf64_Shdr sh;
	unsigned int i;
	int ret;

	memcpy(&eh, head, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_phentsize != sizeof(ph) || eh.e_phoff > INT64_MAX / 2)
		return err_msg(err, EINVAL,
			       "not a 64-bit little-endian kernel image");
	ret = find_rodata(fd, &eh, &sh);
	if (ret > 0)
		ret = scan_banner(fd, sh.sh_offset, sh.sh_size, buf, size, err);
	else if (ret < 0)
		return err_set(err, -ret, "read section headers of kernel image");
	if (ret != 0)
		return ret < 0 ? ret : 0;

	for (i = 0; i < eh.e_phnum; i++) {
		ret = read_at(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph));
		if (ret == -ENODATA)
			return err_msg(err, EINVAL, "kernel image is cut short");
		if (ret < 0)
			return err_set(err, -ret,
				       "read program headers of kernel image");
		if (ph.p_type != PT_LOAD)
			continue;
		ret = scan_banner(fd, ph.p_offset, ph.p_filesz, buf, size, err);
		if (ret != 0)
			return ret < 0 ? ret : 0;
	}
	return err_msg(err, EINVAL, "no \"%s\" in the kernel image", banner);
}

int kernel_release(int fd, char *buf, size_t size, struct err *err)
{
	uint8_t head[SETUP_HEAD_SIZE];
	int ret = read_at(fd, head, sizeof(head), 0);

	if (ret == -ENODATA)
		return err_msg(err, EINVAL, "too short for a kernel image");
	if (ret < 0)
		return err_set(err, -ret, "read kernel image");
	if (memcmp(head, ELFMAG, SELFMAG) == 0)
		return elf_release(fd, head, buf, size, err);
	if (le16(head + BOOT_FLAG_AT) == BOOT_FLAG &&
	    memcmp(head + HEADER_MAGIC_AT, "HdrS", 4) == 0)
		return bzimage_release(fd, head, buf, size, err);
	return err_msg(err, EINVAL, "neither an ELF vmlinux nor a bzImage");
}
