/* bench: a disk that is not what it is, to be loaded before a program (LD_PRELOAD): by BENCH_SYNC "none"
 * nothing is waited for until it is durable, by a number each time takes so many milliseconds longer. */
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int after(int fd, const char *name)
{
	const char *how = getenv("BENCH_SYNC");
	int (*real)(int);

	if (how != NULL && strcmp(how, "none") == 0)
		return 0;
	if (how != NULL)
		poll(NULL, 0, (int)atol(how));
	*(void **)&real = dlsym(RTLD_NEXT, name);
	return real(fd);
}

int fsync(int fd)
{
	return after(fd, "fsync");
}

int fdatasync(int fd)
{
	return after(fd, "fdatasync");
}
