/* SPDX-License-Identifier: MIT
 * document.h - documents into words and columns. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "bytes.h"
#include "database.h"

/* Why the document can never be indexed; NULL: it can. */
const char *document_refusal(const struct fields *fields, const struct weir_document *document);

/* Appends the words of every field with words, in the order of their columns, with a line feed
 * behind each column. Nothing is appended when there is no word at all. False: no memory. */
bool document_words(const struct fields *fields, const struct weir_host *host,
		    const struct weir_document *document, struct bytes *out);

/* The statement that puts a document's row; the caller finalizes it. */
weir_status document_prepare(const struct database *database, const struct fields *fields,
			     sqlite3_stmt **statement, struct weir_error *error);
/* Binds it all; the statement borrows from the document. False: no memory. */
bool document_bind(const struct fields *fields, const struct weir_host *host,
		   const struct weir_document *document, int64_t number, sqlite3_stmt *statement);

#endif
