/* SPDX-License-Identifier: MIT */
#include "marks.h"

#include <pthread.h>
#include <string.h>

struct marks {
	pthread_mutex_t lock;
	struct outbox_mark *items;
	size_t count, capacity;
	size_t expected;
	uint64_t added, done; /* ever */
};

struct marks *marks_create(void)
{
	struct marks *marks = calloc(1, sizeof(*marks));
	if (marks != NULL)
		pthread_mutex_init(&marks->lock, NULL);
	return marks;
}

void marks_destroy(struct marks *marks)
{
	if (marks == NULL)
		return;
	pthread_mutex_destroy(&marks->lock);
	free(marks->items);
	free(marks);
}

void marks_expect(struct marks *marks)
{
	pthread_mutex_lock(&marks->lock);
	marks->expected++;
	pthread_mutex_unlock(&marks->lock);
}

void marks_forget(struct marks *marks)
{
	pthread_mutex_lock(&marks->lock);
	marks->expected--;
	pthread_mutex_unlock(&marks->lock);
}

static bool grow(struct marks *marks)
{
	if (marks->count < marks->capacity)
		return true;
	size_t capacity = marks->capacity == 0 ? 256 : 2 * marks->capacity;
	struct outbox_mark *items = realloc(marks->items, capacity * sizeof(*items));
	if (items == NULL)
		return false;
	marks->items = items;
	marks->capacity = capacity;
	return true;
}

void marks_add(struct marks *marks, const struct outbox_mark *mark)
{
	pthread_mutex_lock(&marks->lock);
	marks->expected--;
	if (grow(marks)) {
		marks->items[marks->count++] = *mark;
		marks->added++;
	}
	pthread_mutex_unlock(&marks->lock);
}

size_t marks_peek(struct marks *marks, struct outbox_mark *into, size_t limit)
{
	pthread_mutex_lock(&marks->lock);
	size_t count = marks->count < limit ? marks->count : limit;
	if (count > 0)
		memcpy(into, marks->items, count * sizeof(*into));
	pthread_mutex_unlock(&marks->lock);
	return count;
}

void marks_done(struct marks *marks, size_t count)
{
	if (count == 0)
		return;
	pthread_mutex_lock(&marks->lock);
	marks->count -= count;
	marks->done += count;
	memmove(marks->items, marks->items + count, marks->count * sizeof(*marks->items));
	pthread_mutex_unlock(&marks->lock);
}

size_t marks_pending(struct marks *marks)
{
	pthread_mutex_lock(&marks->lock);
	size_t count = marks->count;
	pthread_mutex_unlock(&marks->lock);
	return count;
}

bool marks_busy(struct marks *marks)
{
	pthread_mutex_lock(&marks->lock);
	bool busy = marks->count > 0 || marks->expected > 0;
	pthread_mutex_unlock(&marks->lock);
	return busy;
}

uint64_t marks_ticket(struct marks *marks)
{
	pthread_mutex_lock(&marks->lock);
	uint64_t ticket = marks->added;
	pthread_mutex_unlock(&marks->lock);
	return ticket;
}

bool marks_reached(struct marks *marks, uint64_t ticket)
{
	pthread_mutex_lock(&marks->lock);
	bool reached = marks->done >= ticket;
	pthread_mutex_unlock(&marks->lock);
	return reached;
}
