/* SPDX-License-Identifier: MIT */
#include "postings.h"

#include <memory>
#include <new>
#include <string>

#include <xapian.h>

#include "error.h"

struct segment_reader {
	std::string path;
	Xapian::Database database;
	/* A call failed: it is to be opened anew. What failed because the writer overtook it has a
	 * newer block at hand, which the next call takes for its own without asking; and a reopen()
	 * that failed half way leaves tables of two revisions. */
	mutable bool is_doubtful;
};

struct postings {
	const struct segment_reader *segment;
	Xapian::PostingIterator at, end;
};

struct terms {
	const struct segment_reader *segment;
	Xapian::TermIterator at, end;
	std::string term; /* what terms_next gave */
	bool is_begun;
};

namespace
{

/* Turns the exception under way into a status and a line. To be called in a catch block. */
weir_status report(const char *path, struct weir_error *error) noexcept
{
	try {
		throw;
	} catch (const Xapian::DatabaseModifiedError &) {
		return error_set(
			error, WEIR_RETRY,
			"xapian: the index at %s moved on meanwhile; refresh and ask again", path);
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
	} catch (const Xapian::DatabaseError &failure) {
		const char *reason = failure.get_error_string();
		return error_set(error, WEIR_RETRY, "xapian: the index at %s: %s%s%s", path,
				 failure.get_msg().c_str(), reason != nullptr ? ": " : "",
				 reason != nullptr ? reason : "");
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
weir_status guarded(const struct segment_reader *segment, struct weir_error *error,
		    Body body) noexcept
{
	try {
		body();
		return WEIR_OK;
	} catch (...) {
		segment->is_doubtful = true;
		return report(segment->path.c_str(), error);
	}
}

} /* namespace */

weir_status segment_reader_open(const char *path, struct segment_reader **segment,
				struct weir_error *error)
{
	try {
		std::unique_ptr<struct segment_reader> opened(new struct segment_reader);
		opened->path = path;
		opened->is_doubtful = false;
		opened->database = Xapian::Database(opened->path, Xapian::DB_BACKEND_GLASS);
		*segment = opened.release();
		return WEIR_OK;
	} catch (...) {
		return report(path, error);
	}
}

void segment_reader_close(struct segment_reader *segment)
{
	delete segment;
}

weir_status segment_reader_reopen(struct segment_reader *segment, struct weir_error *error)
{
	return guarded(segment, error, [&] {
		if (!segment->is_doubtful) {
			segment->database.reopen();
			return;
		}
		segment->database = Xapian::Database(segment->path, Xapian::DB_BACKEND_GLASS);
		segment->is_doubtful = false;
	});
}

bool segment_reader_is_doubtful(const struct segment_reader *segment)
{
	return segment->is_doubtful;
}

weir_status segment_reader_size(struct segment_reader *segment, uint64_t *documents,
				struct weir_error *error)
{
	return guarded(segment, error, [&] { *documents = segment->database.get_doccount(); });
}

weir_status segment_reader_frequency(struct segment_reader *segment, const char *term,
				     size_t length, uint32_t *documents, struct weir_error *error)
{
	return guarded(segment, error, [&] {
		*documents = segment->database.get_termfreq(std::string(term, length));
	});
}

weir_status postings_open(struct segment_reader *segment, const char *term, size_t length,
			  struct postings **out, struct weir_error *error)
{
	return guarded(segment, error, [&] {
		std::string name(term, length);
		auto at = segment->database.postlist_begin(name);
		auto end = segment->database.postlist_end(name);
		*out = at == end ? nullptr : new (struct postings){segment, at, end};
	});
}

void postings_close(struct postings *postings)
{
	delete postings;
}

static uint32_t docid_of(const struct postings &postings)
{
	return postings.at != postings.end ? *postings.at : UINT32_MAX;
}

weir_status postings_take(struct postings *postings, uint32_t from, uint32_t limit,
			  struct posting *out, size_t capacity, size_t *taken, uint32_t *next,
			  struct weir_error *error)
{
	return guarded(postings->segment, error, [&] {
		Xapian::PostingIterator &at = postings->at;
		size_t count = 0;
		if (at != postings->end && *at < from)
			at.skip_to(from);
		for (; count < capacity && at != postings->end; ++at) {
			Xapian::docid docid = *at;
			if (docid >= limit)
				break;
			out[count++] = {docid, at.get_wdf()};
		}
		*taken = count;
		*next = docid_of(*postings);
	});
}

weir_status postings_pick(struct postings *postings, const uint32_t *docids, size_t count,
			  struct posting *out, size_t *taken, uint32_t *next,
			  struct weir_error *error)
{
	return guarded(postings->segment, error, [&] {
		Xapian::PostingIterator &at = postings->at;
		size_t found = 0;
		for (size_t i = 0; i < count && at != postings->end; i++) {
			if (*at < docids[i])
				at.skip_to(docids[i]);
			if (at != postings->end && *at == docids[i])
				out[found++] = {docids[i], at.get_wdf()};
		}
		*taken = found;
		*next = docid_of(*postings);
	});
}

weir_status terms_open(struct segment_reader *segment, const char *prefix, size_t length,
		       struct terms **terms, struct weir_error *error)
{
	return guarded(segment, error, [&] {
		std::string name(prefix, length);
		*terms = new (struct terms){segment, segment->database.allterms_begin(name),
					    segment->database.allterms_end(name), std::string(),
					    false};
	});
}

void terms_close(struct terms *terms)
{
	delete terms;
}

weir_status terms_seek(struct terms *terms, const char *term, size_t length,
		       struct weir_error *error)
{
	return guarded(terms->segment, error, [&] {
		terms->at.skip_to(std::string(term, length));
		terms->is_begun = false;
	});
}

weir_status terms_next(struct terms *terms, const char **term, size_t *length,
		       struct weir_error *error)
{
	return guarded(terms->segment, error, [&] {
		if (terms->is_begun && terms->at != terms->end)
			++terms->at;
		terms->is_begun = true;
		if (terms->at == terms->end) {
			*term = nullptr;
			return;
		}
		terms->term = *terms->at;
		*term = terms->term.data();
		*length = terms->term.size();
	});
}
