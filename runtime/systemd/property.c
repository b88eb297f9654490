/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/systemd/property.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define MAX_MASK 128u /* (bytes) 1024 CPUs */

static const struct {
	const char *name;
	const char *type;
} known[] = {
	{ "AllowedCPUs", "ay" },
	{ "AllowedMemoryNodes", "ay" },
	{ "CPUQuotaPerSecUSec", "t" },
	{ "CPUQuotaPeriodUSec", "t" },
	{ "CPUWeight", "t" },
	{ "Description", "s" },
	{ "IOWeight", "t" },
	{ "MemoryLow", "t" },
	{ "MemoryMax", "t" },
	{ "MemorySwapMax", "t" },
	{ "Slice", "s" },
	{ "TasksMax", "t" },
};

/* read_number() - "infinity" is what systemd takes for it: all bits. */
static int read_number(const char *text, uint64_t *ret)
{
	char *end;

	if (strcmp(text, "infinity") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* read_mask() - at least one byte: none would mean "as the parent has it". */
static int read_mask(const char *text, uint8_t mask[MAX_MASK], size_t *ret_n)
{
	size_t n = strlen(text) / 2;

	if (n < 1 || n > MAX_MASK || strlen(text) % 2)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = digit(text[2 * i]);
		int low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		mask[i] = (uint8_t)(high << 4 | low);
	}
	*ret_n = n;
	return 0;
}

static int check_value(const struct property *p)
{
	uint8_t mask[MAX_MASK];
	uint64_t number;
	size_t n;

	if (*p->type == 't')
		return read_number(p->value, &number);
	return *p->type == 'a' ? read_mask(p->value, mask, &n) : 0;
}

int property_parse(const char *word, struct property *ret, struct err *err)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : 0;

	for (size_t i = 0; equals && i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].name) != len || memcmp(known[i].name, word, len) != 0)
			continue;
		*ret = (struct property){
			.name = known[i].name,
			.type = known[i].type,
			.value = equals + 1,
		};
		if (check_value(ret) < 0)
			break;
		return 0;
	}
	return err_msg(err, EINVAL, "hull-systemd: invalid property '%s'", word);
}

static int append_value(sd_bus_message *m, const struct property *p)
{
	uint8_t mask[MAX_MASK];
	uint64_t number;
	size_t n;
	int ret;

	if (*p->type == 's')
		return sd_bus_message_append_basic(m, 's', p->value);
	if (*p->type == 't') {
		ret = read_number(p->value, &number);
		return ret < 0 ? ret : sd_bus_message_append_basic(m, 't', &number);
	}
	ret = read_mask(p->value, mask, &n);
	return ret < 0 ? ret : sd_bus_message_append_array(m, 'y', mask, n);
}

int property_append(sd_bus_message *m, const struct property *p)
{
	int ret = sd_bus_message_open_container(m, 'r', "sv");

	if (ret >= 0)
		ret = sd_bus_message_append_basic(m, 's', p->name);
	if (ret >= 0)
		ret = sd_bus_message_open_container(m, 'v', p->type);
	if (ret >= 0)
		ret = append_value(m, p);
	if (ret >= 0)
		ret = sd_bus_message_close_container(m);
	if (ret >= 0)
		ret = sd_bus_message_close_container(m);
	return ret < 0 ? ret : 0;
}
