/* SPDX-License-Identifier: MIT
 * names.c
 *
 * In the file, one behind the other:
 *   value	u8 field, u32 length, bytes
 *   form	u8 255, u8 length, language, u8 length, stem, u8 length, word
 *
 * Concurrency: what a lookup may walk into is complete before it is linked (release), and is never
 * freed or moved before names_destroy: a table that grew leaves the old one behind for those who
 * are in it. names_forget alone takes away; only a writer calls it, which has no other thread
 * that looks up. */
#include "names.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "fields.h"
#include "file.h"

#define FILE_NAME "names"
#define KIND_FORM 255
#define VALUE_HEAD 5
#define FIRST_TABLE 64
#define ARENA_BYTES 65536
#define FIRST_RUN 256 /* entries of a list's first run; each next one is as long as all before */
#define RUNS 24

/* A value, or a language and a stem with the words that come to it. */
struct entry {
	uint64_t hash;
	struct word *words; /* newest first */
	uint32_t length, ordinal;
	char text[];
};
struct word {
	struct word *next;
	uint32_t length;
	char text[];
};

struct table {
	struct table *older;
	size_t size; /* power of two */
	struct entry *slots[];
};

/* Entries by key, and by number. */
struct list {
	struct table *table;
	struct entry **runs[RUNS];
	uint32_t count;
};

/* For names_forget. */
struct addition {
	size_t list;
	struct entry *entry; /* new, or: */
	struct entry *owner; /* has a new first word */
};

struct names {
	struct file file;
	char *folder;
	size_t field_count;
	struct list *lists; /* of the fields, and one of the forms */
	struct block_of_arena {
		struct block_of_arena *older;
		size_t used, size;
		char bytes[];
	} * arena;
	uint64_t length;
	struct bytes pending, scratch;
	struct addition *additions;
	size_t addition_count, addition_capacity;
};

static void *allocate(struct names *names, size_t size)
{
	size = (size + 7) / 8 * 8;
	if (names->arena == NULL || names->arena->size - names->arena->used < size) {
		size_t room = size > ARENA_BYTES ? size : ARENA_BYTES;
		struct block_of_arena *block = malloc(sizeof(*block) + room);
		if (block == NULL)
			return NULL;
		*block = (struct block_of_arena){names->arena, 0, room};
		names->arena = block;
	}
	void *made = names->arena->bytes + names->arena->used;
	names->arena->used += size;
	return made;
}

weir_status names_create(const char *folder, size_t field_count, struct names **out,
			 struct weir_error *error)
{
	struct names *names = calloc(1, sizeof(*names));
	if (names == NULL)
		return error_no_memory(error);
	names->file = FILE_CLOSED;
	names->field_count = field_count;
	names->folder = strdup(folder);
	names->lists = calloc(field_count + 1, sizeof(*names->lists));
	if (names->folder == NULL || names->lists == NULL) {
		names_destroy(names);
		return error_no_memory(error);
	}
	*out = names;
	return WEIR_OK;
}

static void destroy_list(struct list *list)
{
	for (struct table *table = list->table, *older; table != NULL; table = older) {
		older = table->older;
		free(table);
	}
	for (size_t i = 0; i < RUNS; i++)
		free(list->runs[i]);
}

void names_destroy(struct names *names)
{
	if (names == NULL)
		return;
	for (size_t i = 0; names->lists != NULL && i <= names->field_count; i++)
		destroy_list(&names->lists[i]);
	for (struct block_of_arena *block = names->arena, *older; block != NULL; block = older) {
		older = block->older;
		free(block);
	}
	file_close(&names->file);
	bytes_finish(&names->pending);
	bytes_finish(&names->scratch);
	free(names->additions);
	free(names->lists);
	free(names->folder);
	free(names);
}

/* Tables */

static struct entry *find(const struct list *list, uint64_t hash, const char *text, size_t length)
{
	const struct table *table = __atomic_load_n(&list->table, __ATOMIC_ACQUIRE);
	if (table == NULL)
		return NULL;
	for (size_t place = hash & (table->size - 1);; place = (place + 1) & (table->size - 1)) {
		struct entry *entry = __atomic_load_n(&table->slots[place], __ATOMIC_ACQUIRE);
		if (entry == NULL)
			return NULL;
		if (entry->hash == hash && entry->length == length &&
		    memcmp(entry->text, text, length) == 0)
			return entry;
	}
}

static void put(struct table *table, struct entry *entry)
{
	size_t place = entry->hash & (table->size - 1);
	while (table->slots[place] != NULL)
		place = (place + 1) & (table->size - 1);
	__atomic_store_n(&table->slots[place], entry, __ATOMIC_RELEASE);
}

/* At most half full with one more. */
static bool make_room(struct list *list)
{
	struct table *table = list->table;
	if (table != NULL && (size_t)list->count + 1 <= table->size / 2)
		return true;
	size_t size = table != NULL ? table->size * 2 : FIRST_TABLE;
	struct table *grown = calloc(1, sizeof(*grown) + size * sizeof(grown->slots[0]));
	if (grown == NULL)
		return false;
	grown->older = table;
	grown->size = size;
	for (size_t i = 0; table != NULL && i < table->size; i++)
		if (table->slots[i] != NULL)
			put(grown, table->slots[i]);
	__atomic_store_n(&list->table, grown, __ATOMIC_RELEASE);
	return true;
}

/* Moves up what stands behind the gap and would not be found any more. */
static void take_out(struct list *list, const struct entry *entry)
{
	struct table *table = list->table;
	size_t mask = table->size - 1, gap = entry->hash & mask;
	while (table->slots[gap] != entry)
		gap = (gap + 1) & mask;
	for (size_t at = (gap + 1) & mask; table->slots[at] != NULL; at = (at + 1) & mask) {
		size_t home = table->slots[at]->hash & mask;
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			table->slots[gap] = table->slots[at];
			gap = at;
		}
	}
	table->slots[gap] = NULL;
}

/* Lists by number: run 0 has the first FIRST_RUN, run i as many as all before it. */

static size_t run_of(uint32_t ordinal, size_t *index)
{
	size_t run = 0, start = 0, size = FIRST_RUN;
	while (ordinal >= start + size) {
		start += size;
		size = start;
		run++;
	}
	*index = ordinal - start;
	return run;
}

static bool number(struct list *list, struct entry *entry)
{
	size_t index, run = run_of(list->count, &index);
	if (run >= RUNS)
		return false;
	if (list->runs[run] == NULL) {
		size_t size = run == 0 ? FIRST_RUN : (size_t)FIRST_RUN << (run - 1);
		struct entry **made = calloc(size, sizeof(struct entry *));
		if (made == NULL)
			return false;
		__atomic_store_n(&list->runs[run], made, __ATOMIC_RELEASE);
	}
	list->runs[run][index] = entry;
	return true;
}

static struct entry *add_entry(struct names *names, size_t number_of_list, uint64_t hash,
			       const char *text, size_t length)
{
	struct list *list = &names->lists[number_of_list];
	struct entry *entry = length > UINT32_MAX ? NULL : allocate(names, sizeof(*entry) + length);
	if (entry == NULL || !make_room(list))
		return NULL;
	*entry = (struct entry){.hash = hash, .length = (uint32_t)length, .ordinal = list->count};
	if (length > 0)
		memcpy(entry->text, text, length);
	if (number_of_list < names->field_count && !number(list, entry))
		return NULL;
	put(list->table, entry);
	__atomic_store_n(&list->count, list->count + 1, __ATOMIC_RELEASE);
	return entry;
}

static bool add_word(struct names *names, struct entry *entry, const char *text, size_t length)
{
	struct word *word = allocate(names, sizeof(*word) + length);
	if (word == NULL)
		return false;
	word->next = entry->words;
	word->length = (uint32_t)length;
	memcpy(word->text, text, length);
	__atomic_store_n(&entry->words, word, __ATOMIC_RELEASE);
	return true;
}

static const struct word *find_word(const struct entry *entry, const char *text, size_t length)
{
	const struct word *word = __atomic_load_n(&entry->words, __ATOMIC_ACQUIRE);
	for (; word != NULL; word = word->next)
		if (word->length == length && memcmp(word->text, text, length) == 0)
			return word;
	return NULL;
}

/* Language, NUL, stem. */
#define KEY_LIMIT 512
static bool make_key(char key[KEY_LIMIT], const char *language, const char *stem,
		     size_t stem_length, size_t *length)
{
	size_t first = strlen(language);
	if (first > UINT8_MAX || stem_length > UINT8_MAX)
		return false;
	memcpy(key, language, first + 1);
	memcpy(key + first + 1, stem, stem_length);
	*length = first + 1 + stem_length;
	return true;
}

/* The file */

struct reading {
	const char *at, *end;
};

static bool take(struct reading *reading, size_t length, const char **part)
{
	if ((size_t)(reading->end - reading->at) < length)
		return false;
	*part = reading->at;
	reading->at += length;
	return true;
}

static bool take_short(struct reading *reading, const char **text, size_t *length)
{
	const char *byte;
	if (!take(reading, 1, &byte))
		return false;
	*length = (unsigned char)*byte;
	return take(reading, *length, text);
}

/* One thing of the file; on_* may be the loading or the adding. */
struct item {
	bool is_form;
	size_t field;
	const char *text, *language, *word; /* text: the value, or the stem */
	size_t length, language_length, word_length;
};

static bool read_item(struct reading *reading, struct item *item)
{
	const char *kind, *bytes;
	uint32_t length;
	if (!take(reading, 1, &kind))
		return false;
	item->is_form = (unsigned char)*kind == KIND_FORM;
	item->field = (unsigned char)*kind;
	if (item->is_form)
		return take_short(reading, &item->language, &item->language_length) &&
		       take_short(reading, &item->text, &item->length) &&
		       take_short(reading, &item->word, &item->word_length);
	if (!take(reading, sizeof(length), &bytes))
		return false;
	memcpy(&length, bytes, sizeof(length));
	item->length = length;
	return take(reading, length, &item->text);
}

/* Both may be there already: a block that is read again brings what the file has. */
static bool take_in_form(struct names *names, const char *language, const char *stem,
			 size_t stem_length, const char *word, size_t word_length,
			 struct addition *addition)
{
	char key[KEY_LIMIT];
	size_t length;
	if (!make_key(key, language, stem, stem_length, &length))
		return false;
	uint64_t hash = hash_bytes(0, key, length);
	struct entry *entry = find(&names->lists[names->field_count], hash, key, length);
	*addition = (struct addition){.list = names->field_count};
	if (entry == NULL) {
		entry = add_entry(names, names->field_count, hash, key, length);
		addition->entry = entry;
	}
	if (entry == NULL)
		return false;
	if (find_word(entry, word, word_length) != NULL)
		return true;
	addition->owner = entry;
	return add_word(names, entry, word, word_length);
}

static bool take_in_value(struct names *names, size_t field, const char *value, size_t length,
			  uint32_t *ordinal, struct addition *addition)
{
	uint64_t hash = hash_bytes(0, value, length);
	struct entry *entry = find(&names->lists[field], hash, value, length);
	*addition = (struct addition){.list = field};
	if (entry == NULL) {
		entry = add_entry(names, field, hash, value, length);
		addition->entry = entry;
	}
	if (entry == NULL)
		return false;
	*ordinal = entry->ordinal;
	return true;
}

static weir_status damaged(const struct names *names, struct weir_error *error)
{
	return error_set(error, WEIR_FATAL,
			 "xapian: %s/" FILE_NAME " is damaged; weir rebuild makes a new index",
			 names->folder);
}

static weir_status take_in(struct names *names, const char *bytes, size_t length,
			   struct weir_error *error)
{
	struct reading reading = {bytes, bytes + length};
	while (reading.at < reading.end) {
		struct item item;
		struct addition addition;
		char language[UINT8_MAX + 1];
		uint32_t ordinal;
		bool good;
		if (!read_item(&reading, &item) ||
		    (!item.is_form && item.field >= names->field_count))
			return damaged(names, error);
		if (item.is_form) {
			memcpy(language, item.language, item.language_length);
			language[item.language_length] = '\0';
			good = take_in_form(names, language, item.text, item.length, item.word,
					    item.word_length, &addition);
		} else {
			good = take_in_value(names, item.field, item.text, item.length, &ordinal,
					     &addition);
		}
		if (!good)
			return error_no_memory(error);
	}
	return WEIR_OK;
}

static weir_status open_file(struct names *names, int flags, struct weir_error *error)
{
	return names->file.descriptor >= 0
		       ? WEIR_OK
		       : file_open(&names->file, names->folder, FILE_NAME, flags, error);
}

weir_status names_read(struct names *names, uint64_t length, struct weir_error *error)
{
	if (length <= names->length)
		return WEIR_OK;
	size_t wanted = (size_t)(length - names->length), got = 0;
	weir_status status = open_file(names, O_RDONLY, error);
	if (status == WEIR_OK && !bytes_reserve(&names->scratch, wanted))
		status = error_no_memory(error);
	if (status == WEIR_OK)
		status = file_read(&names->file, names->length, names->scratch.data, wanted, &got,
				   error);
	if (status == WEIR_OK && got < wanted)
		status = damaged(names, error);
	if (status == WEIR_OK)
		status = take_in(names, names->scratch.data, wanted, error);
	if (status == WEIR_OK)
		names->length = length;
	return status;
}

/* Writing */

weir_status names_begin(struct names *names, uint64_t length, struct weir_error *error)
{
	weir_status status = open_file(names, O_RDWR | O_CREAT, error);
	uint64_t size = 0;
	if (status == WEIR_OK)
		status = file_size(&names->file, &size, error);
	if (status == WEIR_OK && size < length)
		return damaged(names, error);
	return status == WEIR_OK ? names_read(names, length, error) : status;
}

static bool remember(struct names *names, const struct addition *addition)
{
	if (addition->entry == NULL && addition->owner == NULL)
		return true;
	struct addition *additions = array_grow(names->additions, names->addition_count,
						&names->addition_capacity, sizeof(*additions));
	if (additions == NULL)
		return false;
	names->additions = additions;
	additions[names->addition_count++] = *addition;
	return true;
}

static void take_back(struct names *names, const struct addition *addition)
{
	if (addition->owner != NULL && addition->owner->words != NULL)
		addition->owner->words = addition->owner->words->next;
	if (addition->entry == NULL)
		return;
	take_out(&names->lists[addition->list], addition->entry);
	names->lists[addition->list].count--;
}

weir_status names_add_value(struct names *names, size_t field, const char *value, size_t length,
			    uint32_t *ordinal, struct weir_error *error)
{
	struct addition addition;
	char head[VALUE_HEAD] = {(char)field};
	uint32_t short_length = (uint32_t)length;
	memcpy(head + 1, &short_length, sizeof(short_length));
	size_t before = names->pending.length;
	if (!take_in_value(names, field, value, length, ordinal, &addition))
		return error_no_memory(error);
	if (addition.entry == NULL)
		return WEIR_OK;
	if (bytes_append(&names->pending, head, sizeof(head)) &&
	    bytes_append(&names->pending, value, length) && remember(names, &addition))
		return WEIR_OK;
	names->pending.length = before;
	take_back(names, &addition);
	return error_no_memory(error);
}

static bool append_short(struct bytes *out, const char *text, size_t length)
{
	char byte = (char)length;
	return bytes_append(out, &byte, 1) && bytes_append(out, text, length);
}

weir_status names_add_form(struct names *names, const char *language, const char *stem,
			   size_t stem_length, const char *word, size_t word_length,
			   struct weir_error *error)
{
	struct addition addition = {0};
	char kind = (char)KIND_FORM;
	size_t before = names->pending.length;
	if (stem_length > UINT8_MAX || word_length > UINT8_MAX)
		return WEIR_OK; /* no words of WEIR_WORD_LIMIT */
	if (!take_in_form(names, language, stem, stem_length, word, word_length, &addition))
		return error_no_memory(error);
	if (addition.owner == NULL)
		return WEIR_OK;
	if (bytes_append(&names->pending, &kind, 1) &&
	    append_short(&names->pending, language, strlen(language)) &&
	    append_short(&names->pending, stem, stem_length) &&
	    append_short(&names->pending, word, word_length) && remember(names, &addition))
		return WEIR_OK;
	names->pending.length = before;
	take_back(names, &addition);
	return error_no_memory(error);
}

const struct bytes *names_pending(const struct names *names)
{
	return &names->pending;
}

weir_status names_add_pending(struct names *names, const char *bytes, size_t length,
			      struct weir_error *error)
{
	weir_status status = take_in(names, bytes, length, error);
	if (status == WEIR_OK && !bytes_append(&names->pending, bytes, length))
		status = error_no_memory(error);
	return status;
}

weir_status names_write(struct names *names, struct weir_error *error)
{
	return file_write(&names->file, names->length, names->pending.data, names->pending.length,
			  error);
}

void names_keep(struct names *names)
{
	names->length += names->pending.length;
	names->pending.length = 0;
	names->addition_count = 0;
}

void names_forget(struct names *names)
{
	while (names->addition_count > 0)
		take_back(names, &names->additions[--names->addition_count]);
	names->pending.length = 0;
}

uint64_t names_length(const struct names *names)
{
	return names->length;
}

weir_status names_sync(struct names *names, struct weir_error *error)
{
	return file_sync(&names->file, error);
}

/* Looking up */

bool names_ordinal(const struct names *names, size_t field, const char *value, size_t length,
		   uint32_t *ordinal)
{
	const struct entry *entry =
		find(&names->lists[field], hash_bytes(0, value, length), value, length);
	if (entry == NULL)
		return false;
	*ordinal = entry->ordinal;
	return true;
}

uint32_t names_count(const struct names *names, size_t field)
{
	return __atomic_load_n(&names->lists[field].count, __ATOMIC_ACQUIRE);
}

const char *names_value(const struct names *names, size_t field, uint32_t ordinal, size_t *length)
{
	if (ordinal >= names_count(names, field))
		return NULL;
	size_t index, run = run_of(ordinal, &index);
	struct entry **entries = __atomic_load_n(&names->lists[field].runs[run], __ATOMIC_ACQUIRE);
	*length = entries[index]->length;
	return entries[index]->text;
}

void names_each_form(const struct names *names, const char *language, const char *stem,
		     size_t stem_length, names_on_word *on_word, void *context)
{
	char key[KEY_LIMIT];
	size_t length;
	if (!make_key(key, language, stem, stem_length, &length))
		return;
	const struct entry *entry =
		find(&names->lists[names->field_count], hash_bytes(0, key, length), key, length);
	if (entry == NULL)
		return;
	const struct word *word = __atomic_load_n(&entry->words, __ATOMIC_ACQUIRE);
	for (; word != NULL; word = word->next)
		if (on_word(context, word->text, word->length) != 0)
			return;
}
