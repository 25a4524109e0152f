/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "buffer.h"

extern char **environ;

enum source { SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_COMMAND_LINE };

/* What was given for one key; the last of the strongest source counts. */
struct entry {
	char *section, *key, *value, *origin;
	enum source source;
};

struct config {
	struct entry *entries; /* of one section and key there is one */
	size_t count, capacity;
	int64_t *integers; /* parsed values, by the option's index */
	char **texts;	   /* the same for texts; paths made absolute */
};

static void entry_finish(struct entry *entry)
{
	free(entry->section);
	free(entry->key);
	free(entry->value);
	free(entry->origin);
}

void config_destroy(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->count; i++)
		entry_finish(&config->entries[i]);
	for (size_t i = 0; config->texts != NULL && i < config_option_count; i++)
		free(config->texts[i]);
	free(config->entries);
	free(config->integers);
	free(config->texts);
	free(config);
}

static void config_destroy_pointer(struct config **config)
{
	config_destroy(*config);
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Levenshtein's distance, two rows (R. Wagner, M. Fischer, 1974). Names beyond the limit are far
 * from everything. */
static size_t edit_distance(const char *left, const char *right)
{
	enum { LIMIT = 64 };
	size_t rows = strlen(left), columns = strlen(right), row[LIMIT + 1];
	if (rows > LIMIT || columns > LIMIT)
		return SIZE_MAX;
	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 1; i <= rows; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			size_t above = row[j];
			bool same = tolower((unsigned char)left[i - 1]) ==
				    tolower((unsigned char)right[j - 1]);
			row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1));
			diagonal = above;
		}
	}
	return row[columns];
}

const char *config_nearest(const char *name, const char *const *names, size_t count)
{
	const char *nearest = NULL;
	size_t best = strlen(name) / 2 + 2;
	for (size_t i = 0; i < count; i++) {
		size_t distance = edit_distance(name, names[i]);
		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	return nearest;
}

static bool is_family(const struct config_option *option)
{
	size_t length = strlen(option->key);
	return length > 0 && option->key[length - 1] == '*';
}

static bool option_takes(const struct config_option *option, const char *section, const char *key)
{
	if (strcmp(option->section, section) != 0)
		return false;
	if (is_family(option))
		return strncmp(option->key, key, strlen(option->key) - 1) == 0 &&
		       strlen(key) >= strlen(option->key);
	return strcmp(option->key, key) == 0;
}

static const struct config_option *find_option(const char *section, const char *key)
{
	for (size_t i = 0; i < config_option_count; i++)
		if (option_takes(&config_options[i], section, key))
			return &config_options[i];
	return NULL;
}

static bool is_plugin_section(const char *section)
{
	return strncmp(section, "backend.", 8) == 0 && section[8] != '\0';
}

static weir_status refuse_unknown(const char *section, const char *key, const char *origin,
				  struct weir_error *error)
{
	const char *names[256];
	size_t count = 0;
	bool known_section = false;
	for (size_t i = 0; i < config_option_count; i++) {
		if (strcmp(config_options[i].section, section) != 0)
			continue;
		known_section = true;
		if (count < sizeof(names) / sizeof(names[0]))
			names[count++] = config_options[i].key;
	}
	if (!known_section) {
		for (size_t i = 0; i < config_option_count && count < 256; i++)
			names[count++] = config_options[i].section;
		const char *nearest = config_nearest(section, names, count);
		return err_set(error, WEIR_INVALID, "%s: there is no section [%s]%s%s%s", origin,
			       section, nearest != NULL ? "; did you mean [" : "",
			       nearest != NULL ? nearest : "", nearest != NULL ? "]?" : "");
	}
	const char *nearest = config_nearest(key, names, count);
	return err_set(error, WEIR_INVALID, "%s: [%s] has no key %s%s%s%s", origin, section, key,
		       nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
		       nearest != NULL ? "?" : "");
}

static struct entry *find_entry(const struct config *config, const char *section, const char *key)
{
	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->entries[i].section, section) == 0 &&
		    strcmp(config->entries[i].key, key) == 0)
			return &config->entries[i];
	return NULL;
}

static struct entry *new_entry(struct config *config)
{
	if (config->count == config->capacity) {
		size_t capacity = config->capacity == 0 ? 16 : 2 * config->capacity;
		struct entry *entries = realloc(config->entries, capacity * sizeof(*entries));
		if (entries == NULL)
			return NULL;
		config->entries = entries;
		config->capacity = capacity;
	}
	config->entries[config->count] = (struct entry){0};
	return &config->entries[config->count++];
}

/* Sources are read from the weakest to the strongest, so the newest entry always wins. */
static weir_status put(struct config *config, enum source source, const char *section,
		       const char *key, const char *value, const char *origin,
		       struct weir_error *error)
{
	struct entry made = {strdup(section), strdup(key), strdup(value), strdup(origin), source};
	struct entry *entry = find_entry(config, section, key);
	if (entry == NULL)
		entry = new_entry(config);
	if (made.section == NULL || made.key == NULL || made.value == NULL || made.origin == NULL ||
	    entry == NULL) {
		entry_finish(&made);
		return err_no_memory(error);
	}
	entry_finish(entry);
	*entry = made;
	return WEIR_OK;
}

/* A path in a file counts from the file's folder, so that a configuration can be moved whole; then
 * origin is "weir.conf:12". Others count from the working directory. */
static char *absolute(enum source source, const char *origin, const char *path)
{
	char base[PATH_MAX], *made = NULL;
	if (path[0] == '/' || path[0] == '\0')
		return strdup(path);
	if (getcwd(base, sizeof(base)) == NULL)
		return strdup(path);
	if (source != SOURCE_FILE)
		return asprintf(&made, "%s/%s", base, path) < 0 ? NULL : made;
	const char *slash = strrchr(origin, '/');
	int folder = slash == NULL ? 0 : (int)(slash - origin) + 1;
	bool rooted = origin[0] == '/';
	if (asprintf(&made, "%s%s%.*s%s", rooted ? "" : base, rooted ? "" : "/", folder, origin,
		     path) < 0)
		return NULL;
	return made;
}

static weir_status read_secret(enum source source, const char *given, const char *origin,
			       char **value, struct weir_error *error)
{
	WEIR_FREE char *path = absolute(source, origin, given);
	if (path == NULL)
		return err_no_memory(error);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return err_set(error, WEIR_INVALID, "%s: cannot read %s: %s", origin, path,
			       strerror(errno));
	char text[4096];
	size_t length = fread(text, 1, sizeof(text), file);
	bool bad =
		ferror(file) != 0 || length == sizeof(text) || memchr(text, '\0', length) != NULL;
	fclose(file);
	if (bad)
		return err_set(error, WEIR_INVALID,
			       "%s: %s is no file of text with at most 4095 bytes", origin, path);
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	text[length] = '\0';
	*value = strdup(text);
	return *value != NULL ? WEIR_OK : err_no_memory(error);
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);
	return length > tail && strcmp(text + length - tail, end) == 0;
}

/* "sasl.password_file = PATH" stands for "sasl.password = <what is in PATH>". */
static weir_status put_checked(struct config *config, enum source source, const char *section,
			       const char *key, const char *value, const char *origin,
			       struct weir_error *error)
{
	const struct config_option *option = find_option(section, key);
	bool family = option != NULL && is_family(option);
	if ((option == NULL || family) && ends_with(key, "_file")) {
		char name[256];
		snprintf(name, sizeof(name), "%.*s", (int)(strlen(key) - 5), key);
		const struct config_option *secret = find_option(section, name);
		if (is_plugin_section(section) || family ||
		    (secret != NULL && secret->type == CONFIG_SECRET)) {
			WEIR_FREE char *text = NULL;
			weir_status status = read_secret(source, value, origin, &text, error);
			return status != WEIR_OK
				       ? status
				       : put(config, source, section, name, text, origin, error);
		}
	}
	if (option == NULL && !is_plugin_section(section))
		return refuse_unknown(section, key, origin, error);
	return put(config, source, section, key, value, origin, error);
}

struct file_reader {
	struct config *config;
	FILE *file;
	const char *path;
	size_t line;
	weir_status status; /* of the first key that was refused */
	size_t refused;	    /* its line */
	struct weir_error *error;
	bool too_long;
};

static char *read_line(char *line, int size, void *stream)
{
	struct file_reader *reader = stream;
	char *got = fgets(line, size, reader->file);
	if (got == NULL)
		return NULL;
	reader->line++;
	if (strchr(line, '\n') == NULL) {
		int next = fgetc(reader->file);
		reader->too_long = next != EOF;
		if (reader->too_long)
			return NULL;
	}
	/* To inih an indented line goes on the value before it, and then either would be lost. */
	size_t indent = strspn(line, " \t");
	memmove(line, line + indent, strlen(line + indent) + 1);
	return got;
}

static int on_key(void *context, const char *section, const char *key, const char *value)
{
	struct file_reader *reader = context;
	char origin[PATH_MAX + 32];
	if (reader->status != WEIR_OK) /* inih goes on behind an error; the first is told */
		return 0;
	snprintf(origin, sizeof(origin), "%s:%zu", reader->path, reader->line);
	reader->status = put_checked(reader->config, SOURCE_FILE, section, key,
				     value != NULL ? value : "", origin, reader->error);
	reader->refused = reader->line;
	return reader->status == WEIR_OK;
}

static weir_status read_file(struct config *config, const char *path, struct weir_error *error)
{
	struct file_reader reader = {.config = config, .path = path, .error = error};
	reader.file = fopen(path, "re");
	if (reader.file == NULL)
		return err_set(error, WEIR_INVALID, "configuration %s: %s", path, strerror(errno));
	int line = ini_parse_stream(read_line, &reader, on_key, &reader);
	bool failed = ferror(reader.file) != 0;
	fclose(reader.file);
	/* A line that inih did not understand before that key may be why it was refused. */
	if (reader.status != WEIR_OK && (line <= 0 || (size_t)line >= reader.refused))
		return reader.status;
	if (reader.too_long)
		return err_set(error, WEIR_INVALID,
			       "%s:%zu: the line is too long; a long value can stand in a file: "
			       "<key>_file = PATH",
			       path, reader.line);
	if (failed)
		return err_set(error, WEIR_INVALID, "configuration %s cannot be read", path);
	if (line > 0)
		return err_set(error, WEIR_INVALID,
			       "%s:%d: expected [section], key = value or a comment", path, line);
	return line < 0 ? err_no_memory(error) : WEIR_OK;
}

/* WEIR_SECTION_KEY: dots and dashes are underscores there. */
static void environment_name(const char *section, const char *key, char *name, size_t size)
{
	snprintf(name, size, "WEIR_%s_%s", section, key);
	for (char *byte = name; *byte != '\0'; byte++)
		*byte = *byte == '.' || *byte == '-' ? '_' : (char)toupper((unsigned char)*byte);
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* WEIR_KAFKA_RDKAFKA_SECURITY_PROTOCOL: librdkafka's names have dots, and a few underscores; a name
 * with an underscore of its own must come from the file or the command line. "_FILE" at the end is
 * not part of the name. */
static weir_status put_family(struct config *config, const struct config_option *option,
			      const char *name, size_t prefix, const char *value,
			      struct weir_error *error)
{
	char key[256];
	size_t begin = strlen(option->key) - 1;
	snprintf(key, sizeof(key), "%.*s%s", (int)begin, option->key, name + prefix);
	lower(key + begin);
	size_t end = strlen(key) - (ends_with(key, "_file") ? strlen("_file") : 0);
	for (size_t i = begin; i < end; i++)
		if (key[i] == '_')
			key[i] = '.';
	return put_checked(config, SOURCE_ENVIRONMENT, option->section, key, value, name, error);
}

/* WEIR_BACKEND_XAPIAN_PATH: a plug-in's name has no dots, so its first underscore ends it. The
 * plug-in's own table is not known here, so only plug-ins that could be meant are looked at. */
static weir_status put_plugin_variable(struct config *config, const char *name, const char *value,
				       struct weir_error *error)
{
	char section[256], *key;
	snprintf(section, sizeof(section), "backend.%s", name + strlen("WEIR_BACKEND_"));
	lower(section);
	key = strchr(section, '_');
	if (key == NULL || key == section + strlen("backend."))
		return refuse_unknown("backend", section + strlen("backend."), name, error);
	*key++ = '\0';
	return put_checked(config, SOURCE_ENVIRONMENT, section, key, value, name, error);
}

/* WEIR_BUILD and the like are not ours to refuse, WEIR_INDEXER_BATCH_CUONT is. */
static weir_status put_unknown(struct config *config, const char *name, const char *value,
			       struct weir_error *error)
{
	for (size_t i = 0; i < config_option_count; i++) {
		char beginning[128], key[256];
		environment_name(config_options[i].section, "", beginning, sizeof(beginning));
		if (strncmp(name, beginning, strlen(beginning)) != 0)
			continue;
		if (strcmp(config_options[i].section, "backend") == 0)
			return put_plugin_variable(config, name, value, error);
		snprintf(key, sizeof(key), "%s", name + strlen(beginning));
		lower(key);
		return refuse_unknown(config_options[i].section, key, name, error);
	}
	return WEIR_OK;
}

static weir_status put_variable(struct config *config, const char *variable,
				struct weir_error *error)
{
	const char *equals = strchr(variable, '=');
	char name[256];
	if (equals == NULL || strncmp(variable, "WEIR_", 5) != 0)
		return WEIR_OK;
	if ((size_t)(equals - variable) >= sizeof(name) - strlen("backend."))
		return err_set(error, WEIR_INVALID, "%.60s...: no option has so long a name",
			       variable);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - variable), variable);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		char known[256];
		environment_name(option->section, option->key, known, sizeof(known));
		if (!is_family(option)) {
			if (strcmp(name, known) == 0)
				return put(config, SOURCE_ENVIRONMENT, option->section, option->key,
					   equals + 1, name, error);
			continue;
		}
		size_t prefix = strlen(known) - 1;
		if (strncmp(name, known, prefix) == 0 && name[prefix] != '\0')
			return put_family(config, option, name, prefix, equals + 1, error);
	}
	return put_unknown(config, name, equals + 1, error);
}

static weir_status put_set(struct config *config, const char *set, struct weir_error *error)
{
	const char *equals = strchr(set, '=');
	char name[256];
	if (equals == NULL || (size_t)(equals - set) >= sizeof(name))
		return err_set(error, WEIR_INVALID, "--set %s: expected section.key=value", set);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - set), set);
	/* "backend.xapian.path" is [backend.xapian] path, "kafka.rdkafka.x.y" is [kafka]
	 * rdkafka.x.y. */
	char *dot = strchr(name, '.');
	if (dot != NULL && strncmp(name, "backend.", 8) == 0 && strchr(dot + 1, '.') != NULL)
		dot = strchr(dot + 1, '.');
	if (dot == NULL || dot[1] == '\0' || dot == name)
		return err_set(error, WEIR_INVALID, "--set %s: expected section.key=value", set);
	*dot = '\0';
	return put_checked(config, SOURCE_COMMAND_LINE, name, dot + 1, equals + 1, "--set", error);
}

/* Number and unit, as in "64KiB" or "250ms"; units as pairs of name and factor. */
struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit duration_units[] = {
	{"us", 1},	 {"ms", 1000},	      {"s", 1000000},
	{"m", 60000000}, {"h", 3600000000LL}, {"d", 86400000000LL},
};
static const struct unit size_units[] = {
	{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
};

static bool parse_with_unit(const char *text, const struct unit *units, size_t count,
			    int64_t *value)
{
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (end == text || errno != 0 || isspace((unsigned char)*text))
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(end, units[i].name) == 0 || (number == 0 && *end == '\0'))
			return !__builtin_mul_overflow(number, units[i].factor, value);
	}
	return false;
}

static bool parse_boolean(const char *text, int64_t *value)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
	for (size_t i = 0; i < 8; i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*value = (int64_t)(i % 2);
			return true;
		}
	}
	return false;
}

weir_status config_parse_value(enum config_type type, const char *text, int64_t minimum,
			       int64_t maximum, const char *what, int64_t *value,
			       struct weir_error *error)
{
	static const struct unit plain[] = {{"", 1}};
	int64_t parsed = 0;
	bool good = true;
	const char *expected = "";
	switch (type) {
	case CONFIG_INTEGER:
		expected = "an integer";
		good = parse_with_unit(text, plain, 1, &parsed);
		break;
	case CONFIG_BOOLEAN:
		expected = "true or false";
		good = parse_boolean(text, &parsed);
		break;
	case CONFIG_DURATION:
		expected = "a duration such as 250ms, 2s, 5m, 3h or 7d";
		good = parse_with_unit(text, duration_units, 6, &parsed);
		break;
	case CONFIG_SIZE:
		expected = "a size such as 65536, 64KiB, 8MiB or 2GiB";
		good = parse_with_unit(text, size_units, 5, &parsed);
		break;
	case CONFIG_TEXT:
	case CONFIG_PATH:
	case CONFIG_SECRET:
		return WEIR_OK;
	}
	if (!good)
		return err_set(error, WEIR_INVALID, "%s = %s: expected %s", what, text, expected);
	if (minimum != maximum && (parsed < minimum || parsed > maximum))
		return err_set(error, WEIR_INVALID, "%s = %s: allowed is %lld to %lld%s", what,
			       text, (long long)minimum, (long long)maximum,
			       type == CONFIG_DURATION ? " microseconds"
			       : type == CONFIG_SIZE   ? " bytes"
						       : "");
	*value = parsed;
	return WEIR_OK;
}

static char *entry_path(const struct entry *entry, const char *path)
{
	return entry != NULL ? absolute(entry->source, entry->origin, path)
			     : absolute(SOURCE_COMMAND_LINE, "", path);
}

static weir_status resolve(struct config *config, struct weir_error *error)
{
	config->integers = calloc(config_option_count, sizeof(*config->integers));
	config->texts = calloc(config_option_count, sizeof(*config->texts));
	if (config->integers == NULL || config->texts == NULL)
		return err_no_memory(error);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		const struct entry *entry = find_entry(config, option->section, option->key);
		const char *text = entry != NULL ? entry->value : option->default_value;
		if (text == NULL || is_family(option))
			continue;
		char what[PATH_MAX + 128];
		snprintf(what, sizeof(what), "%s: [%s] %s",
			 entry != NULL ? entry->origin : "default", option->section, option->key);
		weir_status status =
			config_parse_value(option->type, text, option->minimum, option->maximum,
					   what, &config->integers[i], error);
		if (status != WEIR_OK)
			return status;
		config->texts[i] =
			option->type == CONFIG_PATH ? entry_path(entry, text) : strdup(text);
		if (config->texts[i] == NULL)
			return err_no_memory(error);
	}
	return WEIR_OK;
}

weir_status config_load(const char *file, const char *const *sets, size_t count,
			struct config **config, struct weir_error *error)
{
	WEIR_CLEANUP(config_destroy_pointer) struct config *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return err_no_memory(error);
	weir_status status = WEIR_OK;
	if (file != NULL)
		status = read_file(made, file, error);
	for (char **variable = environ; status == WEIR_OK && *variable != NULL; variable++)
		status = put_variable(made, *variable, error);
	for (size_t i = 0; status == WEIR_OK && i < count; i++)
		status = put_set(made, sets[i], error);
	if (status == WEIR_OK)
		status = resolve(made, error);
	if (status != WEIR_OK)
		return status;
	*config = made;
	made = NULL;
	return WEIR_OK;
}

static size_t option_index(const char *section, const char *key)
{
	const struct config_option *option = find_option(section, key);
	assert(option != NULL && !is_family(option));
	return (size_t)(option - config_options);
}

const char *config_text(const struct config *config, const char *section, const char *key)
{
	return config->texts[option_index(section, key)];
}

int64_t config_integer(const struct config *config, const char *section, const char *key)
{
	return config->integers[option_index(section, key)];
}

bool config_boolean(const struct config *config, const char *section, const char *key)
{
	return config_integer(config, section, key) != 0;
}

weir_status config_each(const struct config *config, const char *section, const char *prefix,
			config_each_function each, void *context, struct weir_error *error)
{
	for (size_t i = 0; i < config->count; i++) {
		const struct entry *entry = &config->entries[i];
		if (strcmp(entry->section, section) != 0 ||
		    strncmp(entry->key, prefix, strlen(prefix)) != 0)
			continue;
		weir_status status = each(context, entry->key, entry->value, entry->origin, error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

weir_status config_each_section(const struct config *config, const char *prefix, const char *key,
				config_each_function each, void *context, struct weir_error *error)
{
	for (size_t i = 0; i < config->count; i++) {
		const struct entry *entry = &config->entries[i];
		if (strncmp(entry->section, prefix, strlen(prefix)) != 0 ||
		    strcmp(entry->key, key) != 0)
			continue;
		weir_status status =
			each(context, entry->section, entry->value, entry->origin, error);
		if (status != WEIR_OK)
			return status;
	}
	return WEIR_OK;
}

char *config_absolute(const struct config *config, const char *section, const char *key,
		      const char *path)
{
	return entry_path(find_entry(config, section, key), path);
}
