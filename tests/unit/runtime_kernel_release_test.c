/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/kernel_release.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

#define IMAGE_SIZE (256u << 10)

static uint8_t image[IMAGE_SIZE];

/* release() - what kernel_release() makes of the first @len bytes of image. */
static int release(size_t len, char *buf, size_t size, struct err *err)
{
	auto_fd int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || write(fd, image, len) != (ssize_t)len) {
		perror("image");
		exit(1);
	}
	return kernel_release(fd, buf, size, err);
}

static void gives(size_t len, const char *want, const char *what)
{
	char buf[KERNEL_RELEASE_SIZE] = "";
	struct err err = ERR_INIT;

	is_int(release(len, buf, sizeof(buf), &err), 0, "%s: %s", what, err.msg);
	is_str(buf, want, "%s: the release", what);
}

static void fails(size_t len, size_t size, int code, const char *text,
		  const char *what)
{
	char buf[KERNEL_RELEASE_SIZE] = "as it was";
	struct err err = ERR_INIT;

	is_int(release(len, buf, size, &err), -code, "%s", what);
	if (!ok(strstr(err.msg, text), "%s: says '%s'", what, text))
		(void)printf("#   got '%s'\n", err.msg);
	is_str(buf, "as it was", "%s: the buffer is untouched", what);
}

static void put(size_t at, const void *data, size_t len)
{
	memcpy(image + at, data, len);
}

static void put_text(size_t at, const char *text)
{
	put(at, text, strlen(text) + 1);
}

static void bzimage(uint16_t protocol, uint16_t version_at)
{
	memset(image, 0, sizeof(image));
	put(0x1fe, "\x55\xaa", 2);
	put(0x202, "HdrS", 4);
	put(0x206, &protocol, 2);
	put(0x20e, &version_at, 2);
}

static void test_bzimage(void)
{
	bzimage(0x020f, 0x3000);
	put_text(0x3200, "6.1.0-56-cloud-amd64 (debian-kernel@x) #1 SMP");
	gives(0x4000, "6.1.0-56-cloud-amd64", "bzImage");
	fails(0x4000, 8, ERANGE, "20 bytes", "bzImage, small buffer");
	fails(0x3201, 64, EINVAL, "ends before", "bzImage cut short");
	put_text(0x3200, "no release");
	fails(0x4000, 64, EINVAL, "malformed", "bzImage, text for a release");
	memset(image + 0x3200, '6', 80);
	fails(0x4000, 64, EINVAL, "malformed", "bzImage, endless release");
	bzimage(0x020f, 0);
	fails(0x4000, 64, EINVAL, "holds no release", "bzImage without one");
	bzimage(0x0105, 0x3000);
	fails(0x4000, 64, EINVAL, "holds no release", "bzImage, old protocol");
}

/* elf() - one PT_LOAD of the whole file, .rodata at 0x1000 when @sections. */
static void elf(int sections)
{
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_phoff = 0x40,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	Elf64_Phdr ph = { .p_type = PT_NOTE };
	Elf64_Shdr sh = { .sh_type = SHT_PROGBITS };

	memset(image, 0, sizeof(image));
	if (sections) {
		eh.e_shoff = 0x400;
		eh.e_shentsize = sizeof(sh);
		eh.e_shnum = 3;
		eh.e_shstrndx = 2;
	}
	put(0, &eh, sizeof(eh));
	put(0x40, &ph, sizeof(ph));
	ph = (Elf64_Phdr){ .p_type = PT_LOAD, .p_filesz = IMAGE_SIZE };
	put(0x40 + sizeof(ph), &ph, sizeof(ph));
	if (!sections)
		return;
	sh = (Elf64_Shdr){ .sh_type = SHT_PROGBITS, .sh_name = 1,
			   .sh_offset = 0x1000, .sh_size = 0x2000 };
	put(0x400 + sizeof(sh), &sh, sizeof(sh));
	sh = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = 0x800,
			   .sh_size = 0x20 };
	put(0x400 + 2 * sizeof(sh), &sh, sizeof(sh));
	put_text(0x801, ".rodata");
}

static void test_elf(void)
{
	size_t at;

	elf(1);
	put_text(0xe00, "Linux version 9.9.9-elsewhere (x)");
	put_text(0x1800, "Linux version 6.1.192-hull (hull@hull) (gcc)");
	gives(IMAGE_SIZE, "6.1.192-hull", "ELF with sections");
	fails(IMAGE_SIZE, 12, ERANGE, "12 bytes", "ELF, small buffer");

	elf(0);
	put_text(0x5000, "Linux version %s (%s)");
	put_text(0x9000, "Linux version 6.1.192-hull (hull@hull) (gcc)");
	gives(IMAGE_SIZE, "6.1.192-hull", "ELF without, behind a decoy");

	/* Wherever the banner lies across the border of two reads. */
	for (at = 0x10000 - 50; at <= 0x10000; at += 5) {
		elf(0);
		put_text(at, "Linux version 6.1.192-hull (hull@hull) (gcc)");
		gives(IMAGE_SIZE, "6.1.192-hull", "ELF, across a border");
	}

	elf(0);
	fails(IMAGE_SIZE, 64, EINVAL, "no \"Linux version", "ELF without banner");
	fails(0x9000, 64, EINVAL, "cut short", "ELF cut short");
	image[EI_CLASS] = ELFCLASS32;
	fails(IMAGE_SIZE, 64, EINVAL, "64-bit", "32-bit ELF");
}

static void test_hostile_elf(void)
{
	Elf64_Ehdr eh;

	elf(1);
	put_text(0x9000, "Linux version 6.1.192-hull (x)");
	memcpy(&eh, image, sizeof(eh));
	eh.e_shoff = UINT64_MAX - 8;
	put(0, &eh, sizeof(eh));
	gives(IMAGE_SIZE, "6.1.192-hull", "section headers out of the file");
	eh.e_shoff = 0x400;
	eh.e_shstrndx = 900;
	put(0, &eh, sizeof(eh));
	gives(IMAGE_SIZE, "6.1.192-hull", "string table out of range");
	eh.e_phoff = UINT64_MAX - 8;
	put(0, &eh, sizeof(eh));
	fails(IMAGE_SIZE, 64, EINVAL, "64-bit", "program headers out of range");
	eh.e_phoff = IMAGE_SIZE - 8;
	put(0, &eh, sizeof(eh));
	fails(IMAGE_SIZE, 64, EINVAL, "cut short", "program headers past the end");
}

int main(void)
{
	memset(image, 'x', sizeof(image));
	fails(IMAGE_SIZE, 64, EINVAL, "neither", "text");
	fails(100, 64, EINVAL, "too short", "100 bytes");
	fails(0, 64, EINVAL, "too short", "an empty file");
	test_bzimage();
	test_elf();
	test_hostile_elf();
	return tap_done();
}
