/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <string.h>
#include <utf8proc.h>

#include "hash.h"

enum {
	FOLDED_LIMIT = 32, /* code points that one may become; Unicode needs 18 */
	RUN_ENOUGH = 96,
	RUN_LIMIT = 256,
};

/* What a word is made of; another kind behind it begins another word. */
enum kind {
	KIND_LETTERS,
	KIND_WHOLE, /* of a script that is written without spaces: only marks may still join it */
};

/* What was seen behind a word, and joins what follows. */
enum joint {
	JOINT_NONE,
	JOINT_APOSTROPHE,
	JOINT_DOT,   /* the Catalan l·l, gershayim: as an apostrophe, but not of digits */
	JOINT_QUOTE, /* " behind a Hebrew letter */
	JOINT_PLUS,  /* + behind a single letter */
};

struct splitter {
	words_on_word *on_word;
	void *context;
	char word[WEIR_WORD_LIMIT];
	size_t length; /* of the word so far, also beyond WEIR_WORD_CUT */
	hash128 hash;
	bool stopped;
	bool hebrew, digit; /* its last letter */
	enum kind kind;
	enum joint joint;
};

/* The lower-case letter or digit; 0 for what stands between words. */
static inline char ascii_fold(char byte)
{
	char lower = (char)(byte | ('a' - 'A'));
	if (lower >= 'a' && lower <= 'z')
		return lower;
	return byte >= '0' && byte <= '9' ? byte : 0;
}

static void end_word(struct splitter *splitter)
{
	size_t length = splitter->length;
	if (length > WEIR_WORD_CUT) {
		hash128_text(splitter->hash, splitter->word + WEIR_WORD_CUT);
		length = WEIR_WORD_LIMIT;
	}
	if (length > 0 && !splitter->stopped)
		splitter->stopped = !splitter->on_word(splitter->context, splitter->word, length);
	splitter->length = 0;
	splitter->joint = JOINT_NONE;
	splitter->hebrew = splitter->digit = false;
}

static void append(struct splitter *splitter, const char *bytes, size_t length)
{
	size_t kept = splitter->length < WEIR_WORD_CUT ? splitter->length : WEIR_WORD_CUT;
	size_t room = WEIR_WORD_CUT - kept;
	if (length > room) {
		if (splitter->length == kept)
			splitter->hash = hash128_add(HASH128_START, splitter->word, kept);
		splitter->hash = hash128_add(splitter->hash, bytes, length);
	}
	memcpy(splitter->word + kept, bytes, length < room ? length : room);
	splitter->length += length;
}

/* A letter or a digit. */
struct letter {
	const char *bytes;
	size_t length;
	enum kind kind;
	bool hebrew, digit;
};

/* Does it go on with the word? An apostrophe joins letters, or digits. */
static bool joins(const struct splitter *splitter, const struct letter *letter)
{
	if (splitter->kind != letter->kind || letter->kind == KIND_WHOLE)
		return false;
	switch (splitter->joint) {
	case JOINT_NONE:
		return true;
	case JOINT_APOSTROPHE:
		return letter->digit == splitter->digit;
	case JOINT_DOT:
		return !letter->digit && !splitter->digit;
	case JOINT_QUOTE:
		return letter->hebrew;
	case JOINT_PLUS:
		break;
	}
	return false;
}

static void add_letter(struct splitter *splitter, const struct letter *letter)
{
	if (splitter->length > 0 && !joins(splitter, letter))
		end_word(splitter);
	splitter->kind = letter->kind;
	splitter->joint = JOINT_NONE;
	splitter->hebrew = letter->hebrew;
	splitter->digit = letter->digit;
	append(splitter, letter->bytes, letter->length);
}

static void add_separator(struct splitter *splitter, char byte)
{
	enum joint joint = splitter->joint;
	bool letter = splitter->length == 1 && splitter->word[0] >= 'a';
	if (byte == '\'' && splitter->length > 0 && joint == JOINT_NONE) {
		splitter->joint = JOINT_APOSTROPHE;
	} else if (byte == '"' && splitter->hebrew && joint == JOINT_NONE) {
		splitter->joint = JOINT_QUOTE;
	} else if (letter && byte == '+' && joint == JOINT_NONE) {
		splitter->joint = JOINT_PLUS;
	} else if (letter && byte == (joint == JOINT_PLUS ? '+' : '#') &&
		   (joint == JOINT_PLUS || joint == JOINT_NONE)) {
		append(splitter, byte == '+' ? "++" : "#", byte == '+' ? 2 : 1);
		end_word(splitter);
	} else {
		end_word(splitter);
	}
}

static bool between(utf8proc_int32_t code, utf8proc_int32_t first, utf8proc_int32_t last)
{
	return code >= first && code <= last;
}

/* Written without spaces between its words: Han, Hiragana, Katakana; Thai, Lao, Myanmar, Khmer and
 * the other scripts of South East Asia that only a dictionary could split. */
static bool is_unspaced(utf8proc_int32_t code)
{
	return between(code, 0x3005, 0x3007) || between(code, 0x3041, 0x3096) ||
	       between(code, 0x309D, 0x309F) || between(code, 0x30A1, 0x30FA) ||
	       between(code, 0x30FC, 0x30FF) || between(code, 0x31F0, 0x31FF) ||
	       between(code, 0x3400, 0x9FFF) || between(code, 0xF900, 0xFAFF) ||
	       between(code, 0x20000, 0x3FFFF) || between(code, 0x0E01, 0x0EFF) ||
	       between(code, 0x1000, 0x109F) || between(code, 0x1780, 0x17FF) ||
	       between(code, 0x1950, 0x19DF) || between(code, 0x1A20, 0x1AAD) ||
	       between(code, 0xA9E0, 0xA9FE) || between(code, 0xAA60, 0xAADF);
}

/* Marks that a reader takes for the same letter. The vowel signs of Indic scripts and the voicing
 * marks of Japanese are letters in all but name: they stay. */
static bool is_accent(utf8proc_int32_t code)
{
	return between(code, 0x0300, 0x036F) || between(code, 0x0483, 0x0489) ||
	       between(code, 0x0591, 0x05C7) || between(code, 0x0610, 0x061A) ||
	       between(code, 0x064B, 0x065F) || code == 0x0670 || between(code, 0x1AB0, 0x1AFF) ||
	       between(code, 0x1DC0, 0x1DFF) || between(code, 0x20D0, 0x20FF) ||
	       between(code, 0xFE00, 0xFE0F) || between(code, 0xFE20, 0xFE2F);
}

static bool is_apostrophe(utf8proc_int32_t code)
{
	return code == 0x2018 || code == 0x2019 || code == 0x02BC || code == 0x02BB;
}

static bool is_dot(utf8proc_int32_t code)
{
	return code == 0x00B7 || code == 0x05F3 || code == 0x05F4;
}

static void add_ascii(struct splitter *splitter, unsigned char byte)
{
	char folded = ascii_fold((char)byte);
	if (folded != 0)
		add_letter(splitter,
			   &(struct letter){&folded, 1, KIND_LETTERS, false, folded <= '9'});
	else
		add_separator(splitter, (char)byte);
}

static void add_code_point(struct splitter *splitter, utf8proc_int32_t code)
{
	if (code < 0x80) {
		add_ascii(splitter, (unsigned char)code);
		return;
	}
	if (is_apostrophe(code)) {
		add_separator(splitter, '\'');
		return;
	}
	if (is_dot(code) && splitter->length > 0 && splitter->joint == JOINT_NONE) {
		splitter->joint = JOINT_DOT;
		return;
	}
	utf8proc_category_t category = utf8proc_category(code);
	if (category < UTF8PROC_CATEGORY_LU || category > UTF8PROC_CATEGORY_NO) {
		end_word(splitter);
		return;
	}
	utf8proc_uint8_t encoded[4];
	size_t length = (size_t)utf8proc_encode_char(code, encoded);
	bool mark = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
	struct letter letter = {(const char *)encoded, length, KIND_LETTERS,
				between(code, 0x05D0, 0x05F2), category == UTF8PROC_CATEGORY_ND};
	if (!letter.digit && is_unspaced(code))
		letter.kind = KIND_WHOLE;
	if (mark && splitter->length > 0)
		append(splitter, letter.bytes, length);
	else if (!mark)
		add_letter(splitter, &letter);
}

/* The next code point of text, unfolded and folded, without accents. Returns the bytes it took. */
static size_t fold_next(const char *text, size_t length, utf8proc_int32_t folded[FOLDED_LIMIT],
			size_t *count)
{
	if ((unsigned char)text[0] < 0x80) {
		char letter = ascii_fold(text[0]);
		folded[0] = letter != 0 ? letter : text[0];
		*count = 1;
		return 1;
	}
	utf8proc_int32_t code;
	utf8proc_ssize_t taken =
		utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &code);
	*count = 0;
	if (taken <= 0) {
		folded[(*count)++] = ' ';
		return 1;
	}
	int boundary = 0;
	utf8proc_ssize_t made = utf8proc_decompose_char(code, folded, FOLDED_LIMIT,
							UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT |
								UTF8PROC_CASEFOLD | UTF8PROC_IGNORE,
							&boundary);
	/* The Cyrillic short i is a letter of its own, as its readers and stemmers see it. */
	for (utf8proc_ssize_t i = 0; i < made && i < FOLDED_LIMIT; i++)
		if (!is_accent(folded[i]) ||
		    (folded[i] == 0x0306 && *count > 0 && folded[*count - 1] == 0x0438))
			folded[(*count)++] = folded[i];
	return (size_t)taken;
}

/* Code points that are put together again at once. */
struct run {
	utf8proc_int32_t points[RUN_LIMIT];
	size_t count;
};

/* In canonical order: marks of a higher combining class go behind. */
static void add_point(struct run *run, utf8proc_int32_t code)
{
	utf8proc_propval_t class = utf8proc_get_property(code)->combining_class;
	size_t at = run->count++;
	for (; class > 0 && at > 0 &&
	       utf8proc_get_property(run->points[at - 1])->combining_class > class;
	     at--)
		run->points[at] = run->points[at - 1];
	run->points[at] = code;
}

/* Does not join its neighbours: a vulgar fraction ("1½" is no 11), a circled number, a symbol that
 * unfolds to letters ("№5"). */
static bool stands_apart(utf8proc_int32_t code)
{
	utf8proc_category_t category = utf8proc_category(code);
	return (category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO) ||
	       between(code, 0xBC, 0xBE) || between(code, 0x2150, 0x215F) || code == 0x2189 ||
	       between(code, 0x2460, 0x2473) || between(code, 0x24EA, 0x24FF);
}

/* Said of the word before it, and no word. */
static bool is_trade_mark(utf8proc_int32_t code)
{
	return code == 0x2120 || code == 0x2122;
}

/* Is this composed with nothing that stands before it? */
static bool begins_anew(utf8proc_int32_t code)
{
	utf8proc_category_t category = utf8proc_category(code);
	return (category < UTF8PROC_CATEGORY_MN || category > UTF8PROC_CATEGORY_ME) &&
	       !between(code, 0x1160, 0x11FF);
}

/* The text's beginning that is not ASCII, as folded code points; returns the bytes it took. ASCII
 * is composed with no accents here, for they are gone. */
static size_t fold_run(const char *text, size_t length, struct run *run)
{
	utf8proc_int32_t folded[FOLDED_LIMIT], code = 0;
	size_t at = 0, count;
	run->count = 0;
	while (at < length && (unsigned char)text[at] >= 0x80 &&
	       run->count < RUN_LIMIT - FOLDED_LIMIT - 2) {
		utf8proc_ssize_t taken = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							  (utf8proc_ssize_t)(length - at), &code);
		if (run->count >= RUN_ENOUGH && (taken <= 0 || begins_anew(code)))
			break;
		bool apart = taken > 0 && stands_apart(code);
		if (apart)
			add_point(run, ' ');
		at += fold_next(text + at, length - at, folded, &count);
		for (size_t i = 0; i < count && !is_trade_mark(code); i++)
			add_point(run, folded[i]);
		if (apart)
			add_point(run, ' ');
	}
	utf8proc_ssize_t composed = utf8proc_normalize_utf32(
		run->points, (utf8proc_ssize_t)run->count, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
	run->count = composed > 0 ? (size_t)composed : 0;
	return at;
}

/* Letters and digits behind each other, most of what there is. */
static size_t add_ascii_run(struct splitter *splitter, const char *text, size_t length)
{
	size_t at = 0;
	if (splitter->length == 0) {
		while (at < length && ascii_fold(text[at]) == 0 && (unsigned char)text[at] < 0x80)
			at++;
		splitter->kind = KIND_LETTERS;
	} else if (splitter->kind != KIND_LETTERS || splitter->joint != JOINT_NONE ||
		   splitter->hebrew) {
		add_ascii(splitter, (unsigned char)text[at++]);
		if (splitter->length == 0 || splitter->joint != JOINT_NONE)
			return at;
	}
	size_t first = at, written = splitter->length;
	for (char letter; at < length && written < WEIR_WORD_CUT; at++) {
		if ((letter = ascii_fold(text[at])) == 0)
			break;
		splitter->word[written++] = letter;
	}
	splitter->length = written;
	if (at > first)
		splitter->digit = splitter->word[written - 1] <= '9';
	if (at < length && text[at] == ' ') {
		end_word(splitter);
		at++;
	} else if (at < length && (unsigned char)text[at] < 0x80) {
		add_ascii(splitter, (unsigned char)text[at++]);
	}
	return at;
}

bool words_split(const char *text, size_t length, words_on_word *on_word, void *context)
{
	struct splitter splitter;
	struct run run;
	splitter.on_word = on_word;
	splitter.context = context;
	splitter.length = 0;
	splitter.stopped = splitter.hebrew = splitter.digit = false;
	splitter.kind = KIND_LETTERS;
	splitter.joint = JOINT_NONE;
	for (size_t at = 0; at < length && !splitter.stopped;) {
		if ((unsigned char)text[at] < 0x80) {
			at += add_ascii_run(&splitter, text + at, length - at);
			continue;
		}
		at += fold_run(text + at, length - at, &run);
		for (size_t i = 0; i < run.count; i++)
			add_code_point(&splitter, run.points[i]);
	}
	end_word(&splitter);
	return !splitter.stopped;
}

size_t words_sort_key(const char *text, size_t length, char *out, size_t limit)
{
	size_t at = 0, written = 0;
	while (at < length) {
		utf8proc_int32_t folded[FOLDED_LIMIT];
		size_t count;
		at += fold_next(text + at, length - at, folded, &count);
		for (size_t i = 0; i < count; i++) {
			utf8proc_uint8_t encoded[4];
			size_t bytes = (size_t)utf8proc_encode_char(
				folded[i] < ' ' ? ' ' : folded[i], encoded);
			if (written == 0 && encoded[0] == ' ')
				continue;
			if (bytes > limit - written)
				return written;
			memcpy(out + written, encoded, bytes);
			written += bytes;
		}
	}
	return written;
}
