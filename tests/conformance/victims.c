/* SPDX-License-Identifier: MIT */
#include "victims.h"

#include <check.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Everybody holds the ends of those forked before; what counts is that it closes its own. */
static void live(struct victim *victim, int start, int tell, int number,
		 void (*life)(int tell, int number))
{
	char byte;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(victim->start);
	close(victim->told);
	if (read(start, &byte, 1) == 1)
		life(tell, number);
	for (;;)
		pause();
}

void victims_prepare(struct victim *victims, int count, void (*life)(int tell, int number))
{
	for (int i = 0; i < count; i++) {
		int starts[2], tells[2];
		ck_assert_int_eq(pipe(starts), 0);
		ck_assert_int_eq(pipe(tells), 0);
		victims[i].start = starts[1];
		victims[i].told = tells[0];
		victims[i].process = fork();
		ck_assert_int_ge(victims[i].process, 0);
		if (victims[i].process == 0)
			live(&victims[i], starts[0], tells[1], i, life);
		close(starts[0]);
		close(tells[1]);
	}
}

/* No assertion: check writes a message for each, and a victim that is killed in the middle of one
 * leaves half a message to the case that it was forked from. */
void victim_tell(int tell)
{
	if (write(tell, "x", 1) != 1)
		_exit(1);
}

void victim_kill(struct victim *victim, int points, unsigned delay)
{
	char byte;
	int status;
	struct timespec moment = {.tv_nsec = 30000L * delay};
	ck_assert_int_eq(write(victim->start, "x", 1), 1);
	for (int i = 0; i < points; i++)
		ck_assert_msg(read(victim->told, &byte, 1) == 1,
			      "the writer's process ended by itself");
	if (delay > 0)
		nanosleep(&moment, NULL);
	ck_assert_int_eq(kill(victim->process, SIGKILL), 0);
	ck_assert_int_eq(waitpid(victim->process, &status, 0), victim->process);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		      "the writer's process ended by itself");
	close(victim->start);
	close(victim->told);
}
