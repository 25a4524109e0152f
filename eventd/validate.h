/* SPDX-License-Identifier: MIT
 * validate.h - from a request's JSON to values that may be stored: docs/write-api.md's rules. */
#ifndef VALIDATE_H
#define VALIDATE_H

#include "problem.h"
#include "store.h"

/* The fields of an event that a client sets, in the order in which they are shown. */
enum event_member {
	MEMBER_TITLE,
	MEMBER_DESCRIPTION,
	MEMBER_CATEGORY,
	MEMBER_LOCATION,
	MEMBER_CITY,
	MEMBER_COUNTRY,
	MEMBER_PRICE,
	MEMBER_START_DATE,
	MEMBER_END_DATE,
	MEMBER_COUNT
};
extern const char *const member_names[MEMBER_COUNT];

/* json: canonical and normalized (dates in UTC, numbers as written); bytes NULL: no value. */
struct value {
	bool given; /* the body names it; with bytes NULL it is null there */
	struct store_text json;
};

enum draft_kind { DRAFT_CREATE, DRAFT_REPLACE, DRAFT_PATCH };

/* A request's body, checked as far as that goes without the stored event. */
struct draft {
	struct value members[MEMBER_COUNT];
	struct value created_by, updated_by;
	char id[STORE_ID_SIZE]; /* "": none given */
	/* What the server assigns and a client may send back as it got it. */
	bool has_version, has_created_at, has_updated_at;
	int64_t version, created_at, updated_at;
};

/* Texts live in problem->arena or in the body. False: the problem says what is wrong. */
bool validate_draft(const char *body, size_t length, enum draft_kind kind, struct draft *draft,
		    struct problem *problem);
/* What holds between the members of a whole event: a title, the end not before the start. */
bool validate_whole(const struct value members[MEMBER_COUNT], struct problem *problem);
/* Members that the server assigns and that differ from the stored event's. */
bool validate_assigned(const struct draft *draft, const struct store_event *event,
		       struct problem *problem);

/* The members of a stored event (or of a change's fields), read back; texts live in the arena or in
 * fields. False: no memory, or a store that somebody else wrote. */
bool validate_read(const struct store_text *fields, struct value members[MEMBER_COUNT],
		   struct arena *arena);
/* The JSON object of all members that have a value (or, with given_only, of all that are given,
 * null where they have none); bytes NULL: no memory. */
struct store_text validate_write(const struct value members[MEMBER_COUNT], bool given_only,
				 struct arena *arena);

/* Any case, braces allowed; false: no GUID. */
bool validate_id(const char *text, size_t length, char id[STORE_ID_SIZE]);

#endif
