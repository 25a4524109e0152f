/* SPDX-License-Identifier: MIT */
#include "xapian_c.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <unistd.h>
#include <xapian.h>

#include "error.h"

struct xapian_database {
	std::string path;
	bool writable;
	Xapian::Database reader;
	std::unique_ptr<Xapian::WritableDatabase> writer;

	Xapian::Database &any()
	{
		return writable ? change() : reader;
	}
	Xapian::WritableDatabase &change()
	{
		if (!writer)
			throw Xapian::DatabaseClosedError("it was closed after an error");
		return *writer;
	}
};

namespace
{

struct Cancelled {
};

/* Turns the exception under way into a status and a line. To be called in a catch block. */
weir_status report(const char *path, struct weir_error *error) noexcept
{
	try {
		throw;
	} catch (const Cancelled &) {
		return error_set(error, WEIR_RETRY, "xapian: the search was cancelled");
	} catch (const Xapian::DatabaseModifiedError &) {
		return error_set(
			error, WEIR_RETRY,
			"xapian: the index at %s moved on meanwhile; refresh and ask again", path);
	} catch (const Xapian::DatabaseLockError &) {
		return error_set(error, WEIR_RETRY,
				 "xapian: the index at %s is locked by another indexer; stop it, "
				 "or give this one another path",
				 path);
	} catch (const Xapian::DatabaseVersionError &failure) {
		return error_set(error, WEIR_FATAL,
				 "xapian: the index at %s was written by another version of "
				 "Xapian (%s); weir rebuild makes a new one",
				 path, failure.get_msg().c_str());
	} catch (const Xapian::DatabaseCorruptError &failure) {
		return error_set(
			error, WEIR_FATAL,
			"xapian: the index at %s is damaged (%s); weir rebuild makes a new one",
			path, failure.get_msg().c_str());
	} catch (const Xapian::DatabaseOpeningError &failure) {
		return error_set(error, WEIR_RETRY, "xapian: no index can be opened at %s (%s)",
				 path, failure.get_msg().c_str());
	} catch (const Xapian::DatabaseError &failure) {
		const char *reason = failure.get_error_string();
		return error_set(error, WEIR_RETRY, "xapian: the index at %s: %s%s%s", path,
				 failure.get_msg().c_str(), reason != nullptr ? ": " : "",
				 reason != nullptr ? reason : "");
	} catch (const Xapian::DocNotFoundError &) {
		return error_set(error, WEIR_RETRY,
				 "xapian: a document of the index at %s went away; ask again",
				 path);
	} catch (const Xapian::Error &failure) {
		return error_set(error, WEIR_FATAL, "xapian: the index at %s: %s: %s", path,
				 failure.get_type(), failure.get_msg().c_str());
	} catch (const std::bad_alloc &) {
		return error_no_memory(error);
	} catch (const std::exception &failure) {
		return error_set(error, WEIR_FATAL, "xapian: the index at %s: %s", path,
				 failure.what());
	} catch (...) {
		return error_set(error, WEIR_FATAL, "xapian: the index at %s: unknown exception",
				 path);
	}
}

template <typename Body>
weir_status guarded(struct xapian_database *database, struct weir_error *error, Body body) noexcept
{
	try {
		body();
		return WEIR_OK;
	} catch (...) {
		return report(database->path.c_str(), error);
	}
}

/* Throws away the writer with what it holds. Its destructor and close() would commit outside of a
 * transaction, as after a commit that failed half way. */
void drop_writer(struct xapian_database *database) noexcept
{
	if (!database->writer)
		return;
	try {
		database->writer->begin_transaction(false);
	} catch (...) { /* one is open already, or nothing is left to commit */
	}
	try {
		database->writer->close();
	} catch (...) {
	}
	database->writer.reset();
}

/* Its first commit ends with the file iamglass; from then on that file is always there. */
bool was_ever_committed(const std::string &path)
{
	return access((path + "/iamglass").c_str(), F_OK) == 0 || errno != ENOENT;
}

/* What a process left that was killed while it created the index is no index, and is in the way of
 * one. Xapian locks before it overwrites. */
void open_writer(struct xapian_database *database)
{
	try {
		database->writer = std::make_unique<Xapian::WritableDatabase>(
			database->path, Xapian::DB_CREATE_OR_OPEN | Xapian::DB_BACKEND_GLASS);
	} catch (const Xapian::DatabaseOpeningError &) {
		if (was_ever_committed(database->path))
			throw;
		database->writer = std::make_unique<Xapian::WritableDatabase>(
			database->path, Xapian::DB_CREATE_OR_OVERWRITE | Xapian::DB_BACKEND_GLASS);
	}
	database->writer->begin_transaction(true);
}

/* Sorts by slots, documents without a value last either way, and by id at the end. */
class Order : public Xapian::KeyMaker
{
	const struct xapian_key *keys;
	size_t count;
	uint32_t id_slot;

      public:
	Order(const struct xapian_key *keys_, size_t count_, uint32_t id_slot_)
	    : keys(keys_), count(count_), id_slot(id_slot_)
	{
	}

	std::string operator()(const Xapian::Document &document) const override
	{
		std::string key;
		for (size_t i = 0; i < count; i++) {
			if (keys[i].slot == XAPIAN_SLOT_SCORE)
				continue;
			std::string value = document.get_value(keys[i].slot);
			if (value.empty()) {
				key += '\xff';
				continue;
			}
			key += '\x01';
			if (!keys[i].descending) {
				key += value;
				key += '\0';
				continue;
			}
			for (char byte : value)
				key += static_cast<char>(~byte);
			key += '\xff';
		}
		return key + document.get_value(id_slot);
	}
};

/* Accepts every document; asks the host now and then whether the search is still wanted. */
class Watch : public Xapian::MatchDecider
{
	const struct xapian_search *search;
	mutable unsigned seen = 0;

      public:
	explicit Watch(const struct xapian_search *search_) : search(search_)
	{
	}

	void ask() const
	{
		if (search->cancelled(search->context) != 0)
			throw Cancelled();
	}

	bool operator()(const Xapian::Document &) const override
	{
		if ((++seen & 1023) == 0)
			ask();
		return true;
	}
};

/* The documents whose value in a slot is accepted. An AND asks check() for those that its cheaper
 * parts have left. */
class Check : public Xapian::PostingSource
{
	uint32_t slot;
	xapian_accepts *accepts;
	std::string text;
	Xapian::Database database;
	Xapian::ValueIterator value;
	bool started = false;

	bool accepted() const
	{
		std::string bytes = *value;
		return accepts(text.data(), text.size(), bytes.data(), bytes.size());
	}

	void start()
	{
		value = database.valuestream_begin(slot);
		started = true;
	}

	void settle()
	{
		while (!at_end() && !accepted())
			++value;
	}

      public:
	Check(const struct xapian_step &step, const std::string &text_)
	    : slot(step.slot), accepts(step.accepts), text(text_)
	{
	}

	void init(const Xapian::Database &database_) override
	{
		database = database_;
		started = false;
	}

	Xapian::doccount get_termfreq_min() const override
	{
		return 0;
	}
	Xapian::doccount get_termfreq_est() const override
	{
		return database.get_value_freq(slot);
	}
	Xapian::doccount get_termfreq_max() const override
	{
		return database.get_value_freq(slot);
	}

	void next(double) override
	{
		if (started)
			++value;
		else
			start();
		settle();
	}

	void skip_to(Xapian::docid docid, double) override
	{
		if (!started)
			start();
		if (!at_end())
			value.skip_to(docid);
		settle();
	}

	bool check(Xapian::docid docid, double) override
	{
		if (!started)
			start();
		if (at_end())
			return true;
		if (!value.check(docid))
			return false;
		return at_end() || (value.get_docid() == docid && accepted());
	}

	bool at_end() const override
	{
		return started && value == Xapian::ValueIterator();
	}

	Xapian::docid get_docid() const override
	{
		return value.get_docid();
	}
};

Xapian::Query combine(const struct xapian_query *source, const struct xapian_step &step,
		      std::vector<Xapian::Query>::iterator first)
{
	using Xapian::Query;
	auto last = first + step.count;
	std::string text = step.length > 0 ? std::string(source->text + step.offset, step.length)
					   : std::string();
	switch (step.kind) {
	case XAPIAN_STEP_TERM:
		return Query(text);
	case XAPIAN_STEP_BEGINNING:
		return Query(Query::OP_WILDCARD, text);
	case XAPIAN_STEP_RANGE:
		return Query(Query::OP_VALUE_RANGE, step.slot, text,
			     std::string(source->text + step.upper_offset, step.upper_length));
	case XAPIAN_STEP_AND:
		return Query(Query::OP_AND, first, last);
	case XAPIAN_STEP_OR:
		return Query(Query::OP_OR, first, last);
	case XAPIAN_STEP_BUT:
		return Query(Query::OP_AND_NOT, first[0], first[1]);
	case XAPIAN_STEP_SYNONYMS:
		return Query(Query::OP_SYNONYM, first, last);
	case XAPIAN_STEP_CHECK:
		return Query((new Check(step, text))->release());
	case XAPIAN_STEP_SCALE:
		return Query(Query::OP_SCALE_WEIGHT, first[0], step.scale);
	case XAPIAN_STEP_NOTHING:
		break;
	}
	return Query();
}

Xapian::Query build(const struct xapian_query *source)
{
	std::vector<Xapian::Query> stack;
	for (size_t i = 0; i < source->step_count; i++) {
		const struct xapian_step &step = source->steps[i];
		if (step.count > stack.size())
			throw Xapian::InternalError("a step of a query lacks its operands");
		auto first = stack.end() - step.count;
		Xapian::Query made = combine(source, step, first);
		stack.erase(first, stack.end());
		stack.push_back(std::move(made));
	}
	return stack.empty() ? Xapian::Query() : stack.back();
}

struct Hit {
	double score;
	Xapian::docid docid;
	std::string key;  /* of the keys before the score */
	std::string rest; /* of the keys behind it, and the id */
};

using Hits = std::vector<Hit>;

/* One search under way. Every match is looked at, so that the total is exact. */
class Search
{
	const struct xapian_search *search;
	Xapian::Database &database;
	Watch watch;
	Xapian::Enquire enquire;
	size_t all;

	/* Hits asked for beyond the page, so that those with the last one's score are all there. */
	static const size_t SPARE = 64;

	Hits window(size_t first, size_t count)
	{
		Xapian::MSet found = enquire.get_mset(
			static_cast<Xapian::doccount>(first), static_cast<Xapian::doccount>(count),
			static_cast<Xapian::doccount>(all), nullptr, &watch);
		total = found.get_matches_lower_bound();
		Hits hits;
		for (auto match = found.begin(); match != found.end(); ++match)
			hits.push_back({match.get_weight(), *match, "", ""});
		return hits;
	}

	Hits page()
	{
		return window(std::min(search->offset, all), std::min(search->limit, all));
	}

	void cut(Hits &hits) const
	{
		hits.erase(hits.begin(), hits.begin() + std::min(search->offset, hits.size()));
		hits.resize(std::min(search->limit, hits.size()));
	}

	std::string value_of(const Hit &hit, uint32_t slot) const
	{
		return database.get_document(hit.docid, Xapian::DOC_ASSUME_VALID).get_value(slot);
	}

	void sort_ties(Hits &hits, size_t first, size_t end) const
	{
		for (size_t i = first; i < end && end - first > 1; i++)
			hits[i].rest = value_of(hits[i], search->id_slot);
		std::sort(hits.begin() + first, hits.begin() + end,
			  [](const Hit &left, const Hit &right) { return left.rest < right.rest; });
	}

	/* Xapian would read the id of every match to order equal scores. Here only the few that
	 * matter are read, unless too many are equal. */
	Hits by_score()
	{
		size_t offset = std::min(search->offset, all);
		size_t wanted = offset + std::min(search->limit, all - offset);
		if (wanted == offset)
			return window(0, 0);
		enquire.set_sort_by_relevance();
		Hits hits = window(0, std::min(wanted + SPARE, all));
		if (hits.size() == wanted + SPARE && hits.back().score >= hits[wanted - 1].score) {
			enquire.set_sort_by_relevance_then_value(search->id_slot, false);
			return page();
		}
		for (size_t first = 0, end; first < std::min(wanted, hits.size()); first = end) {
			end = first + 1;
			while (end < hits.size() && hits[end].score >= hits[first].score)
				end++;
			if (end > offset)
				sort_ties(hits, first, end);
		}
		cut(hits);
		return hits;
	}

	Hits by_id()
	{
		enquire.set_weighting_scheme(Xapian::BoolWeight());
		enquire.set_sort_by_value(search->id_slot, false);
		return page();
	}

	Hits by_keys()
	{
		Order order(search->keys, search->key_count, search->id_slot);
		enquire.set_sort_by_key(&order, false);
		return page();
	}

	Hits by_score_then_keys()
	{
		Order order(search->keys + 1, search->key_count - 1, search->id_slot);
		enquire.set_sort_by_relevance_then_key(&order, false);
		return page();
	}

	/* The score stands elsewhere among the keys, or the lowest is wanted first: Xapian cannot,
	 * so all matches are sorted here. */
	Hits by_mixture(size_t place)
	{
		Order before(search->keys, place, search->id_slot);
		Order behind(search->keys + place, search->key_count - place, search->id_slot);
		bool descending = search->keys[place].descending;
		Hits hits = window(0, all);
		for (Hit &hit : hits) {
			Xapian::Document document =
				database.get_document(hit.docid, Xapian::DOC_ASSUME_VALID);
			hit.key = before(document);
			hit.key.resize(hit.key.size() - document.get_value(search->id_slot).size());
			hit.rest = behind(document);
		}
		std::sort(hits.begin(), hits.end(), [&](const Hit &left, const Hit &right) {
			if (left.key != right.key)
				return left.key < right.key;
			if (left.score < right.score || left.score > right.score)
				return (left.score < right.score) != descending;
			return left.rest < right.rest;
		});
		cut(hits);
		return hits;
	}

      public:
	uint64_t total = 0;

	Search(const struct xapian_search *search_, Xapian::Database &database_)
	    : search(search_), database(database_), watch(search_), enquire(database_),
	      all(database_.get_doccount())
	{
		watch.ask();
		Xapian::Query query = build(search->query);
		if (search->filter != nullptr)
			query = Xapian::Query(Xapian::Query::OP_FILTER, query,
					      build(search->filter));
		enquire.set_query(query);
	}

	Hits run()
	{
		size_t place = 0;
		while (place < search->key_count && search->keys[place].slot != XAPIAN_SLOT_SCORE)
			place++;
		bool by_best = search->key_count == 0 || (place == 0 && search->keys[0].descending);
		if (by_best && search->key_count < 2)
			return search->query->is_scored ? by_score() : by_id();
		if (by_best)
			return by_score_then_keys();
		return place == search->key_count ? by_keys() : by_mixture(place);
	}

	std::string data_of(const Hit &hit) const
	{
		return value_of(hit, XAPIAN_SLOT_DATA);
	}
};

} /* namespace */

weir_status xapian_open(const char *path, bool writable, struct xapian_database **database,
			struct weir_error *error)
{
	try {
		std::unique_ptr<struct xapian_database> opened(new struct xapian_database);
		opened->path = path;
		opened->writable = writable;
		if (writable)
			open_writer(opened.get());
		else
			opened->reader = Xapian::Database(opened->path);
		*database = opened.release();
		return WEIR_OK;
	} catch (...) {
		return report(path, error);
	}
}

void xapian_close(struct xapian_database *database)
{
	if (database == nullptr)
		return;
	drop_writer(database);
	delete database;
}

weir_status xapian_reopen(struct xapian_database *database, struct weir_error *error)
{
	return guarded(database, error, [&] { database->reader.reopen(); });
}

weir_status xapian_generation(struct xapian_database *database, uint64_t *generation,
			      struct weir_error *error)
{
	return guarded(database, error, [&] {
		Xapian::Database &any = database->any();
		uint32_t place = 2166136261U;
		for (unsigned char byte : any.get_uuid())
			place = (place ^ byte) * 16777619U;
		*generation =
			static_cast<uint64_t>(place) << 32 | (any.get_revision() & UINT32_MAX);
	});
}

weir_status xapian_metadata(struct xapian_database *database, const char *key, size_t key_length,
			    xapian_on_bytes *on_bytes, void *context, struct weir_error *error)
{
	return guarded(database, error, [&] {
		std::string value = database->any().get_metadata(std::string(key, key_length));
		on_bytes(context, value.data(), value.size());
	});
}

weir_status xapian_metadata_set(struct xapian_database *database, const char *key,
				size_t key_length, const char *value, size_t length,
				struct weir_error *error)
{
	return guarded(database, error, [&] {
		database->change().set_metadata(std::string(key, key_length),
						std::string(value, length));
	});
}

weir_status xapian_metadata_each(struct xapian_database *database, const char *prefix,
				 xapian_on_pair *on_pair, void *context, struct weir_error *error)
{
	return guarded(database, error, [&] {
		Xapian::Database &any = database->any();
		for (auto key = any.metadata_keys_begin(prefix);
		     key != any.metadata_keys_end(prefix); ++key) {
			std::string name = *key, value = any.get_metadata(name);
			if (on_pair(context, name.data(), name.size(), value.data(),
				    value.size()) != 0)
				break;
		}
	});
}

weir_status xapian_find(struct xapian_database *database, const char *term, size_t length,
			uint32_t *docid, struct weir_error *error)
{
	return guarded(database, error, [&] {
		Xapian::Database &any = database->any();
		std::string name(term, length);
		auto posting = any.postlist_begin(name);
		*docid = posting == any.postlist_end(name) ? 0 : *posting;
	});
}

weir_status xapian_frequency(struct xapian_database *database, const char *term, size_t length,
			     uint64_t *documents, struct weir_error *error)
{
	return guarded(database, error, [&] {
		*documents = database->any().get_termfreq(std::string(term, length));
	});
}

weir_status xapian_data(struct xapian_database *database, uint32_t docid, xapian_on_bytes *on_bytes,
			void *context, struct weir_error *error)
{
	return guarded(database, error, [&] {
		std::string data = database->any()
					   .get_document(docid, Xapian::DOC_ASSUME_VALID)
					   .get_value(XAPIAN_SLOT_DATA);
		on_bytes(context, data.data(), data.size());
	});
}

weir_status xapian_each_term(struct xapian_database *database, const char *prefix,
			     const char *start, size_t start_length, xapian_on_pair *on_pair,
			     void *context, struct weir_error *error)
{
	return guarded(database, error, [&] {
		Xapian::Database &any = database->any();
		auto term = any.allterms_begin(prefix), end = any.allterms_end(prefix);
		term.skip_to(std::string(start, start_length));
		size_t cut = std::strlen(prefix);
		for (; term != end; ++term) {
			std::string name = *term;
			auto posting = any.postlist_begin(name);
			if (posting == any.postlist_end(name))
				continue;
			std::string data = any.get_document(*posting, Xapian::DOC_ASSUME_VALID)
						   .get_value(XAPIAN_SLOT_DATA);
			if (on_pair(context, name.data() + cut, name.size() - cut, data.data(),
				    data.size()) != 0)
				break;
		}
	});
}

weir_status xapian_replace(struct xapian_database *database, uint32_t docid,
			   const struct xapian_document *source, struct weir_error *error)
{
	return guarded(database, error, [&] {
		Xapian::WritableDatabase &writer = database->change();
		Xapian::Document document;
		std::string name;
		for (size_t i = 0; i < source->term_count; i++) {
			const struct xapian_term &term = source->terms[i];
			name.assign(source->text + term.offset, term.length);
			document.add_term(name, term.frequency);
		}
		for (size_t i = 0; i < source->slot_count; i++) {
			const struct xapian_slot &slot = source->slots[i];
			document.add_value(slot.slot,
					   std::string(source->text + slot.offset, slot.length));
		}
		document.add_value(XAPIAN_SLOT_DATA,
				   std::string(source->data, source->data_length));
		if (docid == 0)
			writer.add_document(document);
		else
			writer.replace_document(docid, document);
	});
}

weir_status xapian_remove(struct xapian_database *database, uint32_t docid,
			  struct weir_error *error)
{
	return guarded(database, error, [&] { database->change().delete_document(docid); });
}

weir_status xapian_remove_below(struct xapian_database *database, uint32_t slot, const char *limit,
				size_t length, uint64_t *removed, struct weir_error *error)
{
	return guarded(database, error, [&] {
		Xapian::WritableDatabase &writer = database->change();
		std::string bound(limit, length);
		std::vector<Xapian::docid> old;
		for (auto value = writer.valuestream_begin(slot);
		     value != writer.valuestream_end(slot); ++value)
			if (*value < bound)
				old.push_back(value.get_docid());
		for (Xapian::docid docid : old)
			writer.delete_document(docid);
		*removed = old.size();
	});
}

weir_status xapian_commit(struct xapian_database *database, struct weir_error *error)
{
	return guarded(database, error, [&] {
		Xapian::WritableDatabase &writer = database->change();
		try {
			writer.commit_transaction();
			writer.begin_transaction(true);
		} catch (...) {
			drop_writer(database);
			throw;
		}
	});
}

weir_status xapian_cancel(struct xapian_database *database, struct weir_error *error)
{
	return guarded(database, error, [&] {
		try {
			Xapian::WritableDatabase &writer = database->change();
			writer.cancel_transaction();
			writer.begin_transaction(true);
		} catch (...) {
			drop_writer(database);
			open_writer(database);
		}
	});
}

weir_status xapian_search(struct xapian_database *database, const struct xapian_search *search,
			  xapian_on_hit *on_hit, void *context, uint64_t *total,
			  struct weir_error *error)
{
	return guarded(database, error, [&] {
		Search run(search, database->any());
		Hits hits = run.run();
		std::vector<std::string> data;
		for (const Hit &hit : hits)
			data.push_back(run.data_of(hit));
		*total = run.total;
		for (size_t i = 0; i < hits.size(); i++)
			if (on_hit(context, hits[i].score, data[i].data(), data[i].size()) != 0)
				break;
	});
}

const char *xapian_version(void)
{
	return Xapian::version_string();
}
