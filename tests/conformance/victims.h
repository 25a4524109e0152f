/* SPDX-License-Identifier: MIT
 * victims.h - processes that are killed. All of them are forked before the case opens anything:
 * what an engine starts (threads, locks) does not survive a fork. */
#ifndef VICTIMS_H
#define VICTIMS_H

#include <sys/types.h>

struct victim {
	pid_t process;
	int start, told; /* pipes to it and from it */
};

/* Forks count of them; each waits for its start. number: from 0. One whose life is over waits to be
 * killed. */
void victims_prepare(struct victim *victims, int count, void (*life)(int tell, int number));
/* Starts it and kills it after so many calls of victim_tell, and delay times a small while. */
void victim_kill(struct victim *victim, int points, unsigned delay);
void victim_tell(int tell); /* in the victim */

#endif
