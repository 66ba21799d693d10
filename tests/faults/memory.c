/* tests/faults: how much memory a program has in use, by LD_PRELOAD. Each second the file $MEMORY_FILE says,
 * in KiB, what is allocated, and what of that is SQLite's: its caches fill up to their limits, and go,
 * whatever the program does. */
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 64

static void tell(int fd)
{
	long long (*sqlite_used)(void); /* sqlite3_memory_used() */
	struct mallinfo2 m = mallinfo2();
	char line[LINE_MAX_BYTES];
	int n;

	*(void **)&sqlite_used = dlsym(RTLD_DEFAULT, "sqlite3_memory_used");
	/* As long as the one before, so that a reader never sees half of it. */
	n = snprintf(line, sizeof line, "%20zu %20lld\n", (m.uordblks + m.hblkhd) / 1024,
	             sqlite_used != NULL ? sqlite_used() / 1024 : 0);
	if (pwrite(fd, line, (size_t)n, 0) != n)
		abort();
}

static void *run(void *arg)
{
	const int *fd = arg;

	for (;; poll(NULL, 0, 1000))
		tell(*fd);
	return NULL;
}

__attribute__((constructor)) static void begin(void)
{
	static int fd;
	const char *path = getenv("MEMORY_FILE");
	sigset_t all, before;
	pthread_t thread;

	if (path == NULL)
		return;
	unsetenv("MEMORY_FILE"); /* not what it starts */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's */
	if (fd < 0 || pthread_create(&thread, NULL, run, &fd) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The service has SQLite count nothing; here it goes on counting. What else is set, SQLite by itself too, has
 * a pointer. */
#define SQLITE_CONFIG_MEMSTATUS 9 /* sqlite3.h */
int sqlite3_config(int option, ...)
{
	int (*real)(int, ...);
	va_list ap;
	void *value;

	if (option == SQLITE_CONFIG_MEMSTATUS)
		return 0; /* SQLITE_OK */
	va_start(ap, option);
	value = va_arg(ap, void *);
	va_end(ap);
	*(void **)&real = dlsym(RTLD_NEXT, "sqlite3_config");
	return real(option, value);
}
