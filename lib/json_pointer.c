/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "json.h"

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

/* Digits without a leading zero; "-" is the place behind the last, where nothing is. */
static const json_t *element(const json_t *array, const char *token)
{
	size_t index = 0;
	if (*token == '\0' || strlen(token) > 9 || (*token == '0' && token[1] != '\0'))
		return NULL;
	for (; *token != '\0'; token++) {
		if (*token < '0' || *token > '9')
			return NULL;
		index = index * 10 + (size_t)(*token - '0');
	}
	return json_array_get(array, index);
}

const json_t *json_find(const json_t *node, const char *pointer)
{
	char token[JSON_POINTER_LIMIT];
	while (node != NULL && *pointer != '\0') {
		pointer = take_token(pointer, token);
		node = json_is_array(node) ? element(node, token) : json_object_get(node, token);
	}
	return node;
}
