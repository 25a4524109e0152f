/* SPDX-License-Identifier: MIT
 * query_schema.h - the schema that the query tests and fuzzers ask of: every type, and fields that
 * are no filter or no sort key. */
#ifndef QUERY_SCHEMA_H
#define QUERY_SCHEMA_H

static const char query_schema_text[] =
	"{\"name\": \"events\", \"id\": \"eventId\", \"messages\": ["
	"{\"type\": \"Created\", \"topic\": \"events.created\", \"operation\": \"created\"},"
	"{\"type\": \"Deleted\", \"topic\": \"events.deleted\", \"operation\": \"deleted\"}],"
	"\"fields\": ["
	"{\"name\": \"title\", \"type\": \"text\", \"search\": true, \"sort\": true},"
	"{\"name\": \"description\", \"type\": \"text\", \"search\": true},"
	"{\"name\": \"city\", \"type\": \"keyword\", \"search\": true, \"filter\": true,"
	" \"sort\": true},"
	"{\"name\": \"createdBy\", \"type\": \"keyword\", \"filter\": true},"
	"{\"name\": \"price\", \"type\": \"number\", \"filter\": true, \"sort\": true},"
	"{\"name\": \"startDate\", \"type\": \"date\", \"filter\": true, \"sort\": true},"
	"{\"name\": \"free\", \"type\": \"boolean\", \"filter\": true},"
	"{\"name\": \"seats\", \"type\": \"number\"}]}";

#endif
