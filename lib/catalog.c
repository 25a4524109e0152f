/* SPDX-License-Identifier: MIT */
#include "catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "catalog_file.h"
#include "schema_difference.h"

void catalog_index_destroy(struct catalog_index *index)
{
	if (index == NULL)
		return;
	free(index->plugin);
	free(index->file);
	free(index->parameter);
	free(index->location);
	free(index->configured);
	free(index->schema);
	free(index);
}

static char *copy_text(const char *text, bool *failed)
{
	char *copy = text != NULL ? strdup(text) : NULL;
	*failed = *failed || (text != NULL && copy == NULL);
	return copy;
}

struct catalog_index *catalog_index_copy(const struct catalog_index *index)
{
	bool failed = false;
	struct catalog_index *made = index != NULL ? calloc(1, sizeof(*made)) : NULL;
	if (made == NULL)
		return NULL;
	made->plugin = copy_text(index->plugin, &failed);
	made->file = copy_text(index->file, &failed);
	made->parameter = copy_text(index->parameter, &failed);
	made->location = copy_text(index->location, &failed);
	made->configured = copy_text(index->configured, &failed);
	made->schema = copy_text(index->schema, &failed);
	if (!failed)
		return made;
	catalog_index_destroy(made);
	return NULL;
}

bool catalog_index_equal(const struct catalog_index *left, const struct catalog_index *right)
{
	return left != NULL && right != NULL && strcmp(left->plugin, right->plugin) == 0 &&
	       strcmp(left->parameter, right->parameter) == 0 &&
	       strcmp(left->location, right->location) == 0;
}

bool catalog_index_is_there(const struct catalog_index *index)
{
	return !catalog_is_path(index->parameter) || access(index->location, F_OK) == 0 ||
	       errno != ENOENT;
}

struct backend_place catalog_place(const struct catalog_index *index)
{
	return (struct backend_place){index->file != NULL ? index->file : index->plugin,
				      index->parameter, index->location};
}

void catalog_destroy(struct catalog *catalog)
{
	if (catalog == NULL)
		return;
	free(catalog->path);
	free(catalog->folder);
	catalog_index_destroy(catalog->wanted);
	catalog_index_destroy(catalog->live);
	catalog_index_destroy(catalog->writer);
	catalog_index_destroy(catalog->previous);
	catalog_index_destroy(catalog->building);
	free(catalog->building_from);
	free(catalog);
}

/* Without "." and double slashes, so that one place has one name; ".." stays, it may lead through a
 * link. */
static void tidy_path(char *path)
{
	char *out = path;
	for (const char *at = path; *at != '\0';) {
		if (at[0] == '/' &&
		    (at[1] == '/' || (at[1] == '.' && (at[2] == '/' || at[2] == '\0'))))
			at += at[1] == '/' ? 1 : 2;
		else
			*out++ = *at++;
	}
	if (out > path + 1 && out[-1] == '/')
		out--;
	*out = '\0';
}

static weir_status describe(const struct config *config, const struct schema *schema,
			    const struct plugin *plugin, struct catalog_index **index,
			    struct weir_error *error)
{
	struct plugin_parameters *parameters = NULL;
	int number = plugin_location(plugin);
	weir_status status = plugin_parameters_read(plugin, config, &parameters, error);
	struct catalog_index *made = NULL;
	bool failed = false;
	bool by_path = strchr(config_text(config, "backend", "plugin"), '/') != NULL;
	if (status == WEIR_OK && number >= 0 && (made = calloc(1, sizeof(*made))) != NULL) {
		made->plugin = copy_text(plugin->manifest->name, &failed);
		made->file = copy_text(by_path ? plugin->path : NULL, &failed);
		made->parameter = copy_text(plugin->manifest->parameters[number]->key, &failed);
		made->location = copy_text(parameters->values[number]->text, &failed);
		if (!failed && catalog_is_path(made->parameter))
			tidy_path(made->location);
		made->configured = copy_text(made->location, &failed);
		made->schema = copy_text(schema->text, &failed);
	}
	plugin_parameters_destroy(parameters);
	if (status != WEIR_OK || number < 0)
		return status;
	if (made == NULL || failed) {
		catalog_index_destroy(made);
		return err_no_memory(error);
	}
	*index = made;
	return WEIR_OK;
}

/* Looking for the folder: the first candidate, and the first one in which there is a catalog. */
struct folders {
	const struct config *config;
	const char *file; /* the catalog's name */
	char *first, *found;
	bool failed;
};

/* Takes the folder over. */
static void consider(struct folders *folders, char *folder)
{
	WEIR_FREE char *path = NULL;
	if (folder == NULL || asprintf(&path, "%s/%s", folder, folders->file) < 0) {
		path = NULL;
		folders->failed = true;
		free(folder);
		return;
	}
	/* One that cannot be looked at is there: whoever reads it will say what is wrong. */
	if (folders->found == NULL && (access(path, F_OK) == 0 || errno != ENOENT))
		folders->found = strdup(folder);
	if (folders->first == NULL)
		folders->first = folder;
	else
		free(folder);
}

static void consider_parent(struct folders *folders, const char *path)
{
	char *folder = strdup(path), *slash = folder != NULL ? strrchr(folder, '/') : NULL;
	if (slash != NULL)
		slash[slash == folder ? 1 : 0] = '\0';
	consider(folders, folder);
}

static weir_status consider_section(void *context, const char *section, const char *value,
				    const char *origin, struct weir_error *error)
{
	struct folders *folders = context;
	(void)origin;
	WEIR_FREE char *path = config_absolute(folders->config, section, "path", value);
	if (path == NULL)
		return err_no_memory(error);
	tidy_path(path);
	consider_parent(folders, path);
	return WEIR_OK;
}

static weir_status find_folder(const struct config *config, struct catalog *catalog,
			       const char *file, struct weir_error *error)
{
	const char *given = config_text(config, "backend", "catalog_dir");
	struct folders folders = {.config = config, .file = file};
	weir_status status = WEIR_OK;
	if (given != NULL) {
		consider(&folders, strdup(given));
	} else {
		if (catalog_is_path(catalog->wanted->parameter))
			consider_parent(&folders, catalog->wanted->location);
		status = config_each_section(config, "backend.", "path", consider_section, &folders,
					     error);
		if (folders.first == NULL)
			consider(&folders,
				 config_absolute(config, "backend", "catalog_dir", "weir-data"));
	}
	if (status == WEIR_OK && folders.failed)
		status = err_no_memory(error);
	catalog->folder = folders.found != NULL ? folders.found : folders.first;
	if (folders.found != NULL)
		free(folders.first);
	if (status == WEIR_OK)
		tidy_path(catalog->folder);
	return status;
}

weir_status catalog_read(const struct config *config, struct schema *wanted,
			 struct catalog **catalog, struct weir_error *error)
{
	struct plugin *plugin = NULL;
	WEIR_FREE char *file = NULL;
	CATALOG_SCOPED struct catalog *made = calloc(1, sizeof(*made));
	if (made == NULL || asprintf(&file, "%s.catalog.json", wanted->abi->name) < 0) {
		file = NULL;
		return err_no_memory(error);
	}
	made->wanted_schema = wanted;
	weir_status status = plugin_load_configured(config, &plugin, error);
	if (status == WEIR_OK)
		status = describe(config, wanted, plugin, &made->wanted, error);
	plugin_destroy(plugin);
	if (status == WEIR_OK && made->wanted != NULL) {
		status = find_folder(config, made, file, error);
		if (status == WEIR_OK && asprintf(&made->path, "%s/%s", made->folder, file) < 0) {
			made->path = NULL;
			status = err_no_memory(error);
		}
		if (status == WEIR_OK)
			status = catalog_file_read(made, error);
	}
	if (status != WEIR_OK)
		return status;
	*catalog = made;
	made = NULL;
	return WEIR_OK;
}

bool catalog_changed(const struct catalog *catalog)
{
	struct stat now;
	if (catalog->path == NULL)
		return false;
	if (stat(catalog->path, &now) != 0)
		return catalog->exists;
	return !catalog->exists || now.st_ino != catalog->seen.st_ino ||
	       now.st_size != catalog->seen.st_size ||
	       now.st_mtim.tv_sec != catalog->seen.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != catalog->seen.st_mtim.tv_nsec;
}

weir_status catalog_lock(const struct catalog *catalog, int *lock, struct weir_error *error)
{
	WEIR_FREE char *path = NULL;
	if (asprintf(&path, "%s.lock", catalog->path) < 0) {
		path = NULL;
		return err_no_memory(error);
	}
	int made = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (made < 0)
		return err_set(error, WEIR_SYSTEM, "%s cannot be opened: %s", path,
			       strerror(errno));
	if (flock(made, LOCK_EX | LOCK_NB) != 0) {
		int reason = errno;
		close(made);
		return reason == EWOULDBLOCK
			       ? err_set(error, WEIR_AWAY,
					 "another weir rebuild works on %s: wait for it, or stop "
					 "it",
					 catalog->path)
			       : err_set(error, WEIR_SYSTEM, "%s cannot be locked: %s", path,
					 strerror(reason));
	}
	*lock = made;
	return WEIR_OK;
}

void catalog_choice_destroy(struct catalog_choice *choice)
{
	if (choice == NULL)
		return;
	catalog_index_destroy(choice->index);
	schema_destroy(choice->schema);
	free(choice);
}

/* The configuration names another index of the same engine than the one that the catalog is about.
 * Where the engine is another too, nothing can tell, and the catalog counts. */
static bool is_another(const struct catalog *catalog)
{
	const struct catalog_index *live = catalog->live, *wanted = catalog->wanted;
	return live != NULL && strcmp(live->plugin, wanted->plugin) == 0 &&
	       strcmp(live->configured, wanted->location) != 0 &&
	       strcmp(live->location, wanted->location) != 0;
}

/* NULL: none is entered, or it is gone. */
static const struct catalog_index *pick(const struct catalog *catalog, enum catalog_role role)
{
	const struct catalog_index *next =
		catalog->writer != NULL ? catalog->writer : catalog->live;
	if (role == CATALOG_LIVE)
		return catalog->live;
	if (role == CATALOG_NEXT || next == NULL || catalog_index_is_there(next))
		return next;
	return catalog->live != NULL && catalog_index_is_there(catalog->live) ? catalog->live
									      : NULL;
}

/* Fills the notice. */
static weir_status tell_difference(const struct catalog *catalog, const struct schema *own,
				   struct catalog_choice *choice, struct weir_error *error)
{
	WEIR_CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
	const struct catalog_index *wanted = catalog->wanted, *index = choice->index;
	if (strcmp(wanted->plugin, index->plugin) != 0)
		buffer_printf(&text, "[backend] plugin is %s, the index at %s is one of %s",
			      wanted->plugin, index->location, index->plugin);
	size_t before = text.length;
	if (before > 0)
		buffer_append_text(&text, "; ");
	size_t start = text.length;
	schema_difference(own, catalog->wanted_schema, &text);
	if (text.length == start)
		text.length = before;
	if (buffer_failed(&text))
		return err_no_memory(error);
	if (text.length > 0)
		err_format(&choice->notice,
			   "the index stays as it was made until `weir rebuild` makes one as "
			   "configured: %.*s",
			   (int)text.length, text.data);
	return WEIR_OK;
}

/* The configured schema serves an index with the same fingerprint, so that what is no part of it
 * can be changed at a restart. */
static weir_status choose_schema(const struct catalog *catalog, struct catalog_choice *choice,
				 struct weir_error *error)
{
	const char *text = choice->index->schema;
	struct schema *own = NULL;
	weir_status status = schema_parse(text, strlen(text), catalog->path, &own, error);
	if (status != WEIR_OK)
		return status;
	status = tell_difference(catalog, own, choice, error);
	if (status == WEIR_OK &&
	    strcmp(own->abi->fingerprint, catalog->wanted_schema->abi->fingerprint) == 0) {
		schema_destroy(own);
		own = NULL;
		text = catalog->wanted_schema->text;
		status = schema_parse(text, strlen(text), "of the configuration", &own, error);
	}
	if (status != WEIR_OK) {
		schema_destroy(own);
		return status;
	}
	choice->schema = own;
	return WEIR_OK;
}

static void choice_destroy_pointer(struct catalog_choice **choice)
{
	catalog_choice_destroy(*choice);
}

weir_status catalog_choose(const struct catalog *catalog, enum catalog_role role,
			   struct catalog_choice **choice, struct weir_error *error)
{
	WEIR_CLEANUP(choice_destroy_pointer)
	struct catalog_choice *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	const struct catalog_index *index = catalog->wanted;
	made->entered = true;
	if (catalog->path == NULL) {
		const char *text = catalog->wanted_schema->text;
		weir_status status = schema_parse(text, strlen(text), "of the configuration",
						  &made->schema, error);
		if (status != WEIR_OK)
			return status;
	} else {
		bool another = is_another(catalog);
		const struct catalog_index *entry = another ? NULL : pick(catalog, role);
		if (entry != NULL)
			index = entry;
		else
			made->entered = another;
		made->index = catalog_index_copy(index);
		if (made->index == NULL)
			return err_no_memory(error);
		weir_status status = choose_schema(catalog, made, error);
		if (status != WEIR_OK)
			return status;
		if (!another && entry == NULL && catalog->live != NULL)
			err_format(&made->notice,
				   "the index that the catalog %s names, at %s, is gone: the "
				   "configured one is made from the log",
				   catalog->path, catalog->live->location);
		if (another)
			err_format(&made->notice,
				   "the catalog %s is of the index at %s; [backend.%s] %s names "
				   "another one, and that counts",
				   catalog->path, catalog->live->location, index->plugin,
				   index->parameter);
	}
	*choice = made;
	made = NULL;
	return WEIR_OK;
}

weir_status catalog_enter(struct catalog *catalog, const struct catalog_choice *choice,
			  struct weir_error *error)
{
	int lock;
	if (catalog->path == NULL || choice->entered)
		return WEIR_OK;
	weir_status status = catalog_lock(catalog, &lock, error);
	if (status != WEIR_OK)
		return status == WEIR_AWAY ? WEIR_OK : status;
	/* Somebody else may have written it since. */
	if (!catalog_changed(catalog)) {
		struct catalog_index *live = catalog_index_copy(choice->index);
		if (live == NULL) {
			status = err_no_memory(error);
		} else {
			catalog_index_destroy(catalog->live);
			catalog_index_destroy(catalog->writer);
			catalog->live = live;
			catalog->writer = NULL;
			status = catalog_write(catalog, error);
		}
	}
	close(lock);
	return status;
}
