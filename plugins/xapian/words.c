/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <string.h>
#include <utf8proc.h>

#define FOLDED_LIMIT 32 /* code points that one may become; Unicode needs 18 */

struct splitter {
	words_on_word *on_word;
	void *context;
	char word[WORD_LENGTH_MAX];
	size_t length; /* of the word so far, also beyond WORD_LIMIT */
	struct hash hash;
	bool stopped;
	bool whole;	 /* a word of one ideograph: only marks may still join it */
	bool apostrophe; /* seen behind the word */
	unsigned pluses; /* seen behind the word */
};

static void end_word(struct splitter *splitter)
{
	size_t length = splitter->length;
	if (length > WORD_LIMIT) {
		hash_text(&splitter->hash, splitter->word + WORD_LIMIT);
		length = WORD_LENGTH_MAX;
	}
	if (length > 0 && !splitter->stopped)
		splitter->stopped = !splitter->on_word(splitter->context, splitter->word, length);
	splitter->length = 0;
	splitter->whole = splitter->apostrophe = false;
	splitter->pluses = 0;
}

static void append(struct splitter *splitter, const char *bytes, size_t length)
{
	size_t kept = splitter->length < WORD_LIMIT ? splitter->length : WORD_LIMIT;
	size_t room = WORD_LIMIT - kept;
	if (length > room) {
		if (splitter->length == kept) {
			splitter->hash = hash_start;
			hash_add(&splitter->hash, splitter->word, kept);
		}
		hash_add(&splitter->hash, bytes, length);
	}
	memcpy(splitter->word + kept, bytes, length < room ? length : room);
	splitter->length += length;
}

static void add_letter(struct splitter *splitter, const char *bytes, size_t length)
{
	if (splitter->whole || splitter->pluses > 0)
		end_word(splitter);
	splitter->apostrophe = false;
	append(splitter, bytes, length);
}

static void add_separator(struct splitter *splitter, char byte)
{
	bool letter = splitter->length == 1 && splitter->word[0] >= 'a' && !splitter->apostrophe;
	if (byte == '\'' && splitter->length > 0 && !splitter->apostrophe && splitter->pluses == 0)
		splitter->apostrophe = true;
	else if (letter && byte == '+' && splitter->pluses == 0)
		splitter->pluses = 1;
	else if (letter && (byte == '+' || (byte == '#' && splitter->pluses == 0))) {
		append(splitter, byte == '+' ? "++" : "#", byte == '+' ? 2 : 1);
		end_word(splitter);
	} else
		end_word(splitter);
}

/* The lower-case letter or digit; 0 for what stands between words. */
static char ascii_fold(unsigned char byte)
{
	if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'))
		return (char)byte;
	return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : 0;
}

static void add_ascii(struct splitter *splitter, unsigned char byte)
{
	char letter = ascii_fold(byte);
	if (letter != 0)
		add_letter(splitter, &letter, 1);
	else
		add_separator(splitter, (char)byte);
}

static bool between(utf8proc_int32_t code, utf8proc_int32_t first, utf8proc_int32_t last)
{
	return code >= first && code <= last;
}

/* Written without spaces between its words. */
static bool is_ideograph(utf8proc_int32_t code)
{
	return between(code, 0x3005, 0x3007) || between(code, 0x3041, 0x3096) ||
	       between(code, 0x309D, 0x309F) || between(code, 0x30A1, 0x30FA) ||
	       between(code, 0x30FC, 0x30FF) || between(code, 0x31F0, 0x31FF) ||
	       between(code, 0x3400, 0x9FFF) || between(code, 0xF900, 0xFAFF) ||
	       between(code, 0x20000, 0x3FFFF);
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
	return code == 0x2019 || code == 0x02BC || code == 0x02BB;
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
	utf8proc_category_t category = utf8proc_category(code);
	if (category < UTF8PROC_CATEGORY_LU || category > UTF8PROC_CATEGORY_NO) {
		end_word(splitter);
		return;
	}
	utf8proc_uint8_t encoded[4];
	size_t length = (size_t)utf8proc_encode_char(code, encoded);
	bool mark = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
	if (mark && splitter->length > 0) {
		append(splitter, (const char *)encoded, length);
	} else if (is_ideograph(code)) {
		end_word(splitter);
		append(splitter, (const char *)encoded, length);
		splitter->whole = true;
	} else if (!mark) {
		add_letter(splitter, (const char *)encoded, length);
	}
}

/* The next code point of text, unfolded and folded, without accents. Returns the bytes it took. */
static size_t fold_next(const char *text, size_t length, utf8proc_int32_t folded[FOLDED_LIMIT],
			size_t *count)
{
	if ((unsigned char)text[0] < 0x80) {
		char letter = ascii_fold((unsigned char)text[0]);
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
	for (utf8proc_ssize_t i = 0; i < made && i < FOLDED_LIMIT; i++)
		if (!is_accent(folded[i]))
			folded[(*count)++] = folded[i];
	return (size_t)taken;
}

bool words_split(const char *text, size_t length, words_on_word *on_word, void *context)
{
	struct splitter splitter = {.on_word = on_word, .context = context};
	size_t at = 0;
	while (at < length && !splitter.stopped) {
		if ((unsigned char)text[at] < 0x80) {
			add_ascii(&splitter, (unsigned char)text[at++]);
			continue;
		}
		utf8proc_int32_t folded[FOLDED_LIMIT];
		size_t count;
		at += fold_next(text + at, length - at, folded, &count);
		for (size_t i = 0; i < count; i++)
			add_code_point(&splitter, folded[i]);
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
