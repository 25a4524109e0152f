/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "json.h"
#include "json_tree.h"

bool json_is_pointer(const char *text)
{
	if (*text != '\0' && *text != '/')
		return false;
	if (strlen(text) >= JSON_POINTER_LIMIT)
		return false;
	for (; *text != '\0'; text++)
		if (*text == '~' && text[1] != '0' && text[1] != '1')
			return false;
	return true;
}

/* One step's name, unescaped; what follows it. */
static const char *take_token(const char *pointer, char *token)
{
	for (pointer++; *pointer != '\0' && *pointer != '/'; pointer++) {
		char byte = *pointer;
		if (byte == '~')
			byte = *++pointer == '1' ? '/' : '~';
		*token++ = byte;
	}
	*token = '\0';
	return pointer;
}

/* Digits without a leading zero; "-" is the place behind the last, where nothing is: SIZE_MAX. */
static size_t read_index(const char *token)
{
	size_t index = 0;
	if (*token == '\0' || strlen(token) > 9 || (*token == '0' && token[1] != '\0'))
		return SIZE_MAX;
	for (; *token != '\0'; token++) {
		if (*token < '0' || *token > '9')
			return SIZE_MAX;
		index = index * 10 + (size_t)(*token - '0');
	}
	return index;
}

const json_t *json_find(const json_t *node, const char *pointer)
{
	char token[JSON_POINTER_LIMIT];
	while (node != NULL && *pointer != '\0') {
		pointer = take_token(pointer, token);
		node = json_is_array(node) ? json_array_get(node, read_index(token))
					   : json_object_get(node, token);
	}
	return node;
}

static const struct jsonnode *element(const struct jsonnode *array, size_t index)
{
	const struct jsonnode *each = array->first;
	while (each != NULL && index-- > 0)
		each = each->next;
	return each;
}

const struct jsonnode *jsonnode_find(const struct jsonnode *node, const char *pointer)
{
	char token[JSON_POINTER_LIMIT];
	while (node != NULL && *pointer != '\0') {
		pointer = take_token(pointer, token);
		node = jsonnode_is(node, JSONNODE_ARRAY) ? element(node, read_index(token))
							 : jsonnode_get(node, token);
	}
	return node;
}
