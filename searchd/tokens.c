/* SPDX-License-Identifier: MIT */
#include "tokens.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "event.h"

void tokens_finish(struct tokens *tokens)
{
	arena_finish(&tokens->memory);
	*tokens = (struct tokens){0};
}

static weir_status make_room(struct tokens *tokens, struct weir_error *error)
{
	if (tokens->items == NULL)
		tokens->items = arena_allocate(&tokens->memory, TOKENS_MOST * sizeof(struct token));
	return tokens->items != NULL ? WEIR_OK : err_no_memory(error);
}

static weir_status add(struct tokens *tokens, const char *id, size_t id_length, int64_t version,
		       struct weir_error *error)
{
	weir_status status = make_room(tokens, error);
	if (status != WEIR_OK)
		return status;
	char *copy = arena_copy(&tokens->memory, id, id_length);
	if (copy == NULL)
		return err_no_memory(error);
	tokens->items[tokens->count++] =
		(struct token){.id = copy, .id_length = id_length, .version = version};
	return WEIR_OK;
}

static bool read_version(const char *text, size_t length, int64_t *version)
{
	char digits[24];
	if (length == 0 || length >= sizeof(digits))
		return false;
	memcpy(digits, text, length);
	digits[length] = '\0';
	size_t sign = digits[0] == '-';
	if (length == sign || strspn(digits + sign, "0123456789") != length - sign)
		return false;
	errno = 0;
	*version = strtoll(digits, NULL, 10);
	return errno == 0;
}

static weir_status read_one(struct tokens *tokens, const char *text, size_t length,
			    struct weir_error *error)
{
	char id[EVENT_ID_LIMIT + 1];
	size_t id_length;
	int64_t version;
	const char *at = memrchr(text, '@', length);
	if (tokens->count == TOKENS_MOST)
		return err_set(error, WEIR_INVALID, "waitFor: there are more than %d tokens",
			       TOKENS_MOST);
	if (at == NULL || !event_id_normalize(text, (size_t)(at - text), id, &id_length, NULL) ||
	    !read_version(at + 1, length - (size_t)(at + 1 - text), &version))
		return err_set(error, WEIR_INVALID,
			       "waitFor: \"%.*s\" is no token: expected <id>@<version>, as in "
			       "eventd's Weir-Token, several by comma",
			       (int)(length < 250 ? length : 250), text);
	return add(tokens, id, id_length, version, error);
}

weir_status tokens_read(struct tokens *tokens, const char *text, struct weir_error *error)
{
	weir_status status = WEIR_OK;
	if (text[0] == '\0')
		return WEIR_OK;
	while (status == WEIR_OK) {
		size_t blanks = strspn(text, " "), length = strcspn(text + blanks, ",");
		const char *token = text + blanks;
		text = token + length;
		while (length > 0 && token[length - 1] == ' ')
			length--;
		status = read_one(tokens, token, length, error);
		if (*text++ == '\0')
			break;
	}
	return status;
}

weir_status tokens_copy_missing(const struct tokens *tokens, struct tokens *copy,
				struct weir_error *error)
{
	*copy = (struct tokens){0};
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->items[i];
		if (token->place == TOKEN_REACHED)
			continue;
		weir_status status = add(copy, token->id, token->id_length, token->version, error);
		if (status != WEIR_OK) {
			tokens_finish(copy);
			return status;
		}
		copy->items[copy->count - 1].place = token->place;
		copy->items[copy->count - 1].held = token->held;
	}
	return WEIR_OK;
}

bool tokens_reached(const struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (tokens->items[i].place != TOKEN_REACHED)
			return false;
	return true;
}

struct looking {
	struct token *token;
	struct state *state;
	weir_status status;
	struct weir_error *error;
};

static bool is_it(const struct token *token, const char *id, size_t id_length)
{
	return id_length == token->id_length && memcmp(id, token->id, id_length) == 0;
}

static void take_version(struct token *token, int64_t version)
{
	token->held = version;
	token->place = version >= token->version ? TOKEN_REACHED : TOKEN_OLDER;
}

static int on_version(void *context, const char *id, size_t id_length, int64_t version,
		      uint32_t kind)
{
	struct looking *looking = context;
	(void)kind;
	if (is_it(looking->token, id, id_length))
		take_version(looking->token, version);
	return 1;
}

/* What is hidden was deleted, or is an update without its create: whoever wrote the latter would
 * not find it, so only the former counts. */
static int on_state(void *context, const char *id, size_t id_length, int64_t version, uint32_t kind,
		    const void *bytes, size_t length)
{
	struct looking *looking = context;
	struct token *token = looking->token;
	if (!is_it(token, id, id_length))
		return 1;
	take_version(token, version);
	if (kind == WEIR_KIND_LIVE || token->place != TOKEN_REACHED)
		return 1;
	looking->status = state_read(looking->state, bytes, length, looking->error);
	if (looking->status == WEIR_OK &&
	    (!looking->state->deleted || looking->state->delete_version < token->version))
		token->place = TOKEN_PARTIAL;
	return 1;
}

weir_status token_look(struct token *token, const struct weir_operations *operations,
		       weir_session *session, uint64_t capabilities, struct state *state,
		       struct weir_error *error)
{
	struct looking looking = {.token = token, .state = state, .error = error};
	token->place = TOKEN_UNKNOWN;
	weir_status status = (capabilities & WEIR_CAN_SCAN_STATES) != 0
				     ? operations->scan_states(session, token->id, token->id_length,
							       on_state, &looking, error)
				     : operations->scan(session, token->id, token->id_length,
							on_version, &looking, error);
	return status == WEIR_OK ? looking.status : status;
}

void token_explain(const struct token *token, char *text, size_t size)
{
	int length = snprintf(text, size, "%s@%lld: ", token->id, (long long)token->version);
	if (length < 0 || (size_t)length >= size)
		return;
	text += length;
	size -= (size_t)length;
	if (token->place == TOKEN_OLDER)
		snprintf(text, size, "the index holds version %lld", (long long)token->held);
	else if (token->place == TOKEN_PARTIAL)
		snprintf(text, size, "the index holds it, but not the create that it overtook");
	else
		snprintf(text, size, "the index holds nothing of it");
}
