/* SPDX-License-Identifier: MIT
 * Xapian::Compactor tells of its progress only between tables, and a segment has but one; an
 * exception thrown there would besides leave the tables that are open to nobody. So there is no
 * Compactor here. */
#include "compact.h"

#include <exception>
#include <new>
#include <string>

#include <xapian.h>

#include "error.h"

namespace
{

constexpr int BLOCK_BYTES = 8192; /* a look-up of a term copies two or three */

weir_status report(const char *output, struct weir_error *error) noexcept
{
	try {
		throw;
	} catch (const Xapian::DatabaseCorruptError &failure) {
		return error_set(error, WEIR_FATAL,
				 "xapian: segments cannot be merged into %s: one is damaged (%s); "
				 "weir rebuild makes a new index",
				 output, failure.get_msg().c_str());
	} catch (const Xapian::Error &failure) {
		const char *reason = failure.get_error_string();
		return error_set(error, WEIR_RETRY,
				 "xapian: segments cannot be merged into %s: %s%s%s", output,
				 failure.get_msg().c_str(), reason != nullptr ? ": " : "",
				 reason != nullptr ? reason : "");
	} catch (const std::bad_alloc &) {
		return error_no_memory(error);
	} catch (const std::exception &failure) {
		return error_set(error, WEIR_RETRY, "xapian: segments cannot be merged into %s: %s",
				 output, failure.what());
	} catch (...) {
		return error_set(error, WEIR_RETRY,
				 "xapian: segments cannot be merged into %s: unknown exception",
				 output);
	}
}

} // namespace

weir_status compact(const char *const *inputs, size_t count, const char *output,
		    struct weir_error *error)
{
	try {
		Xapian::Database all;
		for (size_t i = 0; i < count; i++)
			all.add_database(Xapian::Database(inputs[i]));
		all.compact(output, Xapian::DBCOMPACT_NO_RENUMBER | Xapian::Compactor::FULL,
			    BLOCK_BYTES);
		return WEIR_OK;
	} catch (...) {
		return report(output, error);
	}
}
