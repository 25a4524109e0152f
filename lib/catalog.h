/* SPDX-License-Identifier: MIT
 * catalog.h - which index is live. The configuration says what is wanted, the catalog says what
 * there is, `weir rebuild` gets from one to the other.
 *
 * The catalog is <collection>.catalog.json (the collection is the schema's name) in [backend]
 * catalog_dir; without it, in the folder that holds the configured index; else in one that another
 * [backend.<plug-in>] path of the configuration names; for an index that is no file and without any
 * path, in weir-data. A process reads it at its start and again when it was replaced. It is
 * replaced whole: written beside, fsync, rename, fsync of the folder. Paths in it that lie in its
 * folder are relative, so that the folder can be moved.
 *
 * Writers hold catalog_lock: weir rebuild as long as it runs, an indexer for the moment in which it
 * enters an index that it made. */
#ifndef CATALOG_H
#define CATALOG_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config.h"
#include "plugin.h"
#include "schema.h"

/* One index that there is. */
struct catalog_index {
	char *plugin;	  /* the manifest's name */
	char *file;	  /* the plug-in's path, where the configuration named one; else NULL */
	char *parameter;  /* says where it is: "path" or "index" */
	char *location;	  /* the parameter's value; a path is absolute */
	char *configured; /* the location that the configuration named when it was made */
	char *schema;	  /* the text of the schema that it was made with */
};

struct catalog {
	char *path; /* NULL: the configured plug-in keeps nothing that could be entered */
	char *folder;
	bool exists;		      /* it was read from path */
	struct stat seen;	      /* of the file that was read; see catalog_changed */
	struct catalog_index *wanted; /* what the configuration names; not in the file */
	struct schema *wanted_schema; /* the configured one; borrowed */
	/* What searches are answered from; NULL: there is none yet. */
	struct catalog_index *live;
	/* What messages go to, while it is another: searchd moves to it once it is as far. */
	struct catalog_index *writer;
	struct catalog_index *previous; /* for --rollback */
	struct catalog_index *building; /* what weir rebuild is making */
	char *building_from;		/* "log" or "store" */
};

/* Reads what the configuration wants and, when it is there, the catalog. One that is damaged or of
 * a newer format is WEIR_INVALID; nothing is guessed. wanted: the configured schema, borrowed as
 * long as the catalog lives. */
weir_status catalog_read(const struct config *config, struct schema *wanted,
			 struct catalog **catalog, struct weir_error *error) WEIR_MUST_CHECK;
void catalog_destroy(struct catalog *catalog); /* takes NULL */
static inline void catalog_destroy_pointer(struct catalog **catalog)
{
	catalog_destroy(*catalog);
}
#define CATALOG_SCOPED WEIR_CLEANUP(catalog_destroy_pointer)
/* The file is not the one that was read any more. Cheap. */
bool catalog_changed(const struct catalog *catalog);
weir_status catalog_write(struct catalog *catalog, struct weir_error *error) WEIR_MUST_CHECK;
/* Takes the lock beside the catalog, until close(*lock) or the end of the process. Somebody else
 * has it: WEIR_AWAY. */
weir_status catalog_lock(const struct catalog *catalog, int *lock,
			 struct weir_error *error) WEIR_MUST_CHECK;

/* A copy; NULL: no memory, or index is NULL. */
struct catalog_index *catalog_index_copy(const struct catalog_index *index);
void catalog_index_destroy(struct catalog_index *index); /* takes NULL */
bool catalog_index_equal(const struct catalog_index *left, const struct catalog_index *right);
/* False: it is a path, and nothing is there. */
bool catalog_index_is_there(const struct catalog_index *index);
/* For backend_open_at; borrows. */
struct backend_place catalog_place(const struct catalog_index *index);

enum catalog_role {
	CATALOG_LIVE,  /* what to answer searches from at first */
	CATALOG_NEXT,  /* what to answer them from as soon as it is as far */
	CATALOG_WRITER /* what to write to; one that is gone is made anew as configured */
};

/* The index that a process is to open. */
struct catalog_choice {
	struct catalog_index *index;
	struct schema *schema; /* the configured one where it serves, else the index's own */
	bool entered;	       /* it stands in the catalog; an indexer enters one that does not */
	/* "" or what differs between the index and the configuration, field by field, and what to
	 * do. */
	struct weir_error notice;
};
weir_status catalog_choose(const struct catalog *catalog, enum catalog_role role,
			   struct catalog_choice **choice,
			   struct weir_error *error) WEIR_MUST_CHECK;
void catalog_choice_destroy(struct catalog_choice *choice); /* takes NULL */
/* What an indexer made stands in the catalog from now on, unless somebody else has the lock, or it
 * is entered already. Does nothing without a path. */
weir_status catalog_enter(struct catalog *catalog, const struct catalog_choice *choice,
			  struct weir_error *error) WEIR_MUST_CHECK;

#endif
