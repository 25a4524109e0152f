/* SPDX-License-Identifier: MIT */
#include "segment_c.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <xapian.h>

#include "bytes.h"
#include "error.h"

namespace
{

/* Measured: 16 % less of a writer's time than with Xapian's 8 KiB. */
const int BLOCK_BYTES = 32768;

void set_prefix(std::string &term, char kind, size_t number)
{
	char prefix[TERM_PREFIX_LENGTH] = {kind, static_cast<char>(number + TERM_FIELD_FIRST)};
	term.assign(prefix, sizeof(prefix));
}

void add_exact(Xapian::Document &document, std::string &term, const struct record *record)
{
	size_t at = 0, field, length;
	const char *text;
	while (record_next_term(record->exact, record->head.exact_length, &at, &field, &text,
				&length)) {
		set_prefix(term, TERM_EXACT, field);
		term.append(text, length);
		document.add_boolean_term(term);
	}
}

/* The words of one document, each once in a group of fields: a hash table. */
class words_table
{
      public:
	/* Points to the bytes until the next clear. */
	void add(const struct field &field, const char *bytes, size_t length)
	{
		size_t group = field.place / TALLY_FIELDS;
		uint64_t hash = hash_bytes(group, bytes, length);
		if (words.size() * 2 >= slots.size())
			grow();
		uint32_t &slot = slot_of(hash, group, bytes, length);
		if (slot == 0) {
			words.push_back({bytes, length, group, hash, {}});
			slot = static_cast<uint32_t>(words.size());
		}
		words[slot - 1].counts[field.place % TALLY_FIELDS]++;
	}
	void put(Xapian::Document &document, std::string &term) const
	{
		for (const struct word &word : words) {
			set_prefix(term, TERM_WORD, word.group);
			term.append(word.bytes, word.length);
			document.add_term(term, tally_pack(word.counts));
		}
	}
	void clear()
	{
		if (slots.size() > SLOTS_KEPT) {
			std::vector<uint32_t>().swap(slots);
			std::vector<struct word>().swap(words);
		}
		std::fill(slots.begin(), slots.end(), 0);
		words.clear();
	}

      private:
	struct word {
		const char *bytes;
		size_t length, group;
		uint64_t hash;
		uint32_t counts[TALLY_FIELDS];
	};
	static constexpr size_t SLOTS_KEPT = 4096;
	std::vector<struct word> words;
	std::vector<uint32_t> slots; /* a power of 2 numbers of words, from 1; 0: free */

	uint32_t &slot_of(uint64_t hash, size_t group, const char *bytes, size_t length)
	{
		size_t at = hash & (slots.size() - 1);
		for (; slots[at] != 0; at = (at + 1) & (slots.size() - 1)) {
			const struct word &word = words[slots[at] - 1];
			if (word.hash == hash && word.group == group && word.length == length &&
			    std::memcmp(word.bytes, bytes, length) == 0)
				break;
		}
		return slots[at];
	}
	void grow()
	{
		std::vector<uint32_t> larger(slots.empty() ? 256 : slots.size() * 2);
		slots.swap(larger);
		uint32_t number = 0;
		for (const struct word &word : words)
			slot_of(word.hash, word.group, word.bytes, word.length) = ++number;
	}
};

/* Each word between two NULs, as often as it stands there. */
void add_words(words_table &table, const struct field &field, const char *words, size_t length)
{
	const char *at = words, *end = words + length;
	while (at < end) {
		const char *word = at + 1;
		auto stop = static_cast<const char *>(
			std::memchr(word, '\0', static_cast<size_t>(end - word)));
		if (stop == nullptr)
			break;
		table.add(field, word, static_cast<size_t>(stop - word));
		at = stop;
	}
}

void add_record(words_table &table, const struct fields *fields, const struct record *record)
{
	size_t at = 0, field, length;
	const char *words;
	while (record_next_words(record, &at, &field, &words, &length))
		if (field < fields->count)
			add_words(table, fields->fields[field], words, length);
	at = 0;
	while (record_next_term(record->single, record->head.single_length, &at, &field, &words,
				&length))
		if (field < fields->count)
			table.add(fields->fields[field], words, length);
}

} /* namespace */

struct segment_writer {
	std::string path;
	const struct fields *fields;
	Xapian::WritableDatabase database;
	std::string term;  /* scratch, */
	words_table words; /* as well */
};

namespace
{

weir_status report(const char *path, struct weir_error *error) noexcept
{
	try {
		throw;
	} catch (const Xapian::DatabaseError &failure) {
		const char *reason = failure.get_error_string();
		return error_set(error, WEIR_RETRY, "xapian: the segment at %s: %s%s%s", path,
				 failure.get_msg().c_str(), reason != nullptr ? ": " : "",
				 reason != nullptr ? reason : "");
	} catch (const Xapian::Error &failure) {
		return error_set(error, WEIR_RETRY, "xapian: the segment at %s: %s: %s", path,
				 failure.get_type(), failure.get_msg().c_str());
	} catch (const std::bad_alloc &) {
		return error_no_memory(error);
	} catch (const std::exception &failure) {
		return error_set(error, WEIR_RETRY, "xapian: the segment at %s: %s", path,
				 failure.what());
	} catch (...) {
		return error_set(error, WEIR_RETRY, "xapian: the segment at %s: unknown exception",
				 path);
	}
}

} /* namespace */

weir_status segment_create(const char *path, const struct fields *fields,
			   struct segment_writer **writer, struct weir_error *error)
{
	try {
		std::unique_ptr<struct segment_writer> made(new struct segment_writer);
		made->path = path;
		made->fields = fields;
		made->database = Xapian::WritableDatabase(
			path,
			Xapian::DB_CREATE_OR_OVERWRITE | Xapian::DB_BACKEND_GLASS |
				Xapian::DB_NO_TERMLIST | Xapian::DB_NO_SYNC,
			BLOCK_BYTES);
		made->database.begin_transaction(true);
		*writer = made.release();
		return WEIR_OK;
	} catch (...) {
		return report(path, error);
	}
}

/* Its destructor and close() would commit outside of a transaction, as after a commit that failed
 * half way. */
void segment_close(struct segment_writer *writer)
{
	if (writer == nullptr)
		return;
	try {
		writer->database.begin_transaction(false);
	} catch (...) { /* one is open already, or nothing is left to commit */
	}
	try {
		writer->database.close();
	} catch (...) {
	}
	delete writer;
}

weir_status segment_add(struct segment_writer *writer, const struct record *record,
			struct weir_error *error)
{
	try {
		Xapian::Document document;
		std::string &term = writer->term;
		term.assign(1, TERM_ID);
		term.append(record->id, record->head.id_length);
		document.add_boolean_term(term);
		writer->words.clear();
		add_record(writer->words, writer->fields, record);
		writer->words.put(document, term);
		add_exact(document, term, record);
		writer->database.replace_document(record->head.docid, document);
		return WEIR_OK;
	} catch (...) {
		return report(writer->path.c_str(), error);
	}
}

weir_status segment_commit(struct segment_writer *writer, struct weir_error *error)
{
	try {
		writer->database.commit_transaction();
		writer->database.begin_transaction(true);
		return WEIR_OK;
	} catch (...) {
		return report(writer->path.c_str(), error);
	}
}

weir_status segment_cancel(struct segment_writer *writer, struct weir_error *error)
{
	try {
		writer->database.cancel_transaction();
		writer->database.begin_transaction(true);
		return WEIR_OK;
	} catch (...) {
		return report(writer->path.c_str(), error);
	}
}
