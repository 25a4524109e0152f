/* SPDX-License-Identifier: MIT
 * hash.h - FNV-1a, for tables and fingerprints; nothing that an enemy could profit from.
 * Source: draft-eastlake-fnv, "The FNV Non-Cryptographic Hash Algorithm". */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH64_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash64_add(uint64_t hash, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

__extension__ typedef unsigned __int128 hash128;
#define HASH128_START ((hash128)UINT64_C(0x6c62272e07bb0142) << 64 | UINT64_C(0x62b821756295c58d))
#define HASH128_TEXT_LENGTH 32

static inline hash128 hash128_add(hash128 hash, const void *data, size_t length)
{
	const hash128 prime = (hash128)1 << 88 | 0x13B;
	const unsigned char *bytes = data;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * prime;
	return hash;
}

/* Hexadecimal, without a NUL. */
static inline void hash128_text(hash128 hash, char out[HASH128_TEXT_LENGTH])
{
	for (int i = 0; i < HASH128_TEXT_LENGTH; i++)
		out[i] = "0123456789abcdef"[(unsigned)(hash >> (124 - 4 * i)) & 0xF];
}

#endif
