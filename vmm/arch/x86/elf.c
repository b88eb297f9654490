/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>

#include "lib/err.h"
#include "vmm/arch/x86/kernel_image.h"
#include "vmm/arch/x86/layout.h"

/* A vmlinux has 5 or so. */
#define ELF_MAX_SEGMENTS 32u

static int check_header(const Elf64_Ehdr *eh, struct err *err)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_msg(err, ENOEXEC, "ELF: not 64-bit little-endian");
	if (eh->e_machine != EM_X86_64 || eh->e_type != ET_EXEC)
		return err_msg(err, ENOEXEC, "ELF: not an x86-64 executable");
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 ||
	    eh->e_phnum > ELF_MAX_SEGMENTS)
		return err_msg(err, ENOEXEC, "ELF: %u program headers of %u bytes",
			       eh->e_phnum, eh->e_phentsize);
	return 0;
}

/* check_segment() - does it lie in the file, and in memory that the kernel may have? */
static int check_segment(const Elf64_Phdr *ph, unsigned int i, uint64_t file_size,
			 gpa_t limit, struct err *err)
{
	if (ph->p_filesz > ph->p_memsz || ph->p_offset > file_size ||
	    ph->p_filesz > file_size - ph->p_offset)
		return err_msg(err, ENOEXEC, "ELF: segment %u lies outside the file", i);
	if (ph->p_paddr < LAYOUT_HIGH_RAM || ph->p_paddr > limit ||
	    ph->p_memsz > limit - ph->p_paddr)
		return err_msg(err, ENOEXEC,
			       "ELF: segment %u (%#llx+%#llx) does not fit into guest "
			       "memory",
			       i, (unsigned long long)ph->p_paddr,
			       (unsigned long long)ph->p_memsz);
	return 0;
}

static bool overlap(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
	return a->p_paddr < b->p_paddr + b->p_memsz &&
	       b->p_paddr < a->p_paddr + a->p_memsz;
}

/* check_segments() - all of them, before any byte of guest memory changes. */
static int check_segments(const Elf64_Ehdr *eh, const Elf64_Phdr *ph, uint64_t file_size,
			  gpa_t limit, struct kernel_image *image, struct err *err)
{
	bool entry_found = false;

	*image = (struct kernel_image){ .entry = eh->e_entry };
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		int ret;

		if (ph[i].p_type != PT_LOAD || ph[i].p_memsz == 0)
			continue;
		ret = check_segment(&ph[i], i, file_size, limit, err);
		if (ret < 0)
			return ret;
		for (unsigned int j = 0; j < i; j++) {
			if (ph[j].p_type == PT_LOAD && ph[j].p_memsz != 0 &&
			    overlap(&ph[i], &ph[j]))
				return err_msg(err, ENOEXEC,
					       "ELF: segments %u and %u overlap", j, i);
		}
		if (eh->e_entry >= ph[i].p_paddr &&
		    eh->e_entry - ph[i].p_paddr < ph[i].p_filesz)
			entry_found = true;
		if (ph[i].p_paddr + ph[i].p_memsz > image->end)
			image->end = ph[i].p_paddr + ph[i].p_memsz;
	}
	if (!entry_found)
		return err_msg(err, ENOEXEC,
			       "ELF: the entry point %#llx is in no segment",
			       (unsigned long long)eh->e_entry);
	return 0;
}

int elf_load(const struct kernel_source *src, const struct guest_memory *mem, gpa_t limit,
	     struct kernel_image *ret_image, struct err *err)
{
	Elf64_Phdr ph[ELF_MAX_SEGMENTS];
	struct kernel_image image;
	Elf64_Ehdr eh;
	int ret;

	ret = kernel_source_read(src, 0, &eh, sizeof(eh));
	if (ret < 0)
		return err_set(err, -ret, "ELF: header");
	ret = check_header(&eh, err);
	if (ret < 0)
		return ret;
	ret = kernel_source_read(src, eh.e_phoff, ph, eh.e_phnum * sizeof(ph[0]));
	if (ret < 0)
		return err_set(err, -ret, "ELF: program headers");
	ret = check_segments(&eh, ph, src->size, limit, &image, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		void *dst;

		if (ph[i].p_type != PT_LOAD || ph[i].p_filesz == 0)
			continue;
		dst = gpa_to_host(mem, ph[i].p_paddr, ph[i].p_memsz);
		if (!dst)
			return err_msg(err, ENOEXEC,
				       "ELF: segment %u lies outside guest memory", i);
		ret = kernel_source_read(src, ph[i].p_offset, dst, ph[i].p_filesz);
		if (ret < 0)
			return err_set(err, -ret, "ELF: segment %u", i);
	}
	*ret_image = image;
	return 0;
}
