/* tests/faults: what the system may do to the real programs, by LD_PRELOAD. The first byte of the file
 * $FAULTS_SWITCH says what is wrong now, so that trouble begins and ends while the program runs:
 *
 *   -  nothing
 *   f  the disk is full: files of $FAULTS_PATH (a part of their paths) do not grow, ENOSPC
 *   r  the disk may only be read: they cannot be written, EROFS
 *   b  the clock on the wall is an hour behind
 *   s  the disk is slow: an fsync takes 1.5 s
 *
 * $FAULTS_AT "write:17" (malloc, write, fsync, send, recv, connect; calloc and realloc are mallocs): the 17th
 * such call of the process fails;
 * "kill:17": the process is killed, as by a power cut, at the 17th of those together but for malloc, since
 * what is only in memory makes no difference to what is left. $FAULTS_COUNT: a file into which is written at
 * the end how many there were. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define HOUR_S 3600

enum what { MALLOC, WRITE, FSYNC, SEND, RECV, CONNECT, WHAT_N };
static const char *const names[WHAT_N] = {"malloc", "write", "fsync", "send", "recv", "connect"};

static atomic_ulong counts[WHAT_N], count_all; /* all: but MALLOC */
static unsigned long fail_at[WHAT_N], kill_at; /* 0: never */
static const volatile char *switched;          /* NULL: nothing is ever wrong */
static const char *path_part;
static pid_t only; /* not in what it starts */

__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("FAULTS_AT"), *file = getenv("FAULTS_SWITCH");
	int fd = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;

	path_part = getenv("FAULTS_PATH");
	if (fd >= 0) {
		void *mapped = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

		switched = mapped != MAP_FAILED ? mapped : NULL;
		close(fd);
	}
	for (int i = 0; at != NULL && i < WHAT_N; i++)
		if (strncmp(at, names[i], strlen(names[i])) == 0 && at[strlen(names[i])] == ':')
			fail_at[i] = strtoul(at + strlen(names[i]) + 1, NULL, 10);
	if (at != NULL && strncmp(at, "kill:", 5) == 0)
		kill_at = strtoul(at + 5, NULL, 10);
	only = getpid();
}

__attribute__((destructor)) static void end(void)
{
	const char *file = getenv("FAULTS_COUNT");
	FILE *out = file != NULL && getpid() == only ? fopen(file, "w") : NULL;

	if (out == NULL)
		return;
	for (int i = 0; i < WHAT_N; i++)
		fprintf(out, "%s %lu\n", names[i], atomic_load(&counts[i]));
	fprintf(out, "kill %lu\n", atomic_load(&count_all));
	fclose(out);
}

static bool is_wrong(char what)
{
	return switched != NULL && *switched == what;
}

/* Counts a call; gives whether it fails. */
static bool fails(enum what what)
{
	if (what != MALLOC && atomic_fetch_add(&count_all, 1) + 1 == kill_at)
		kill(only, SIGKILL);
	return atomic_fetch_add(&counts[what], 1) + 1 == fail_at[what];
}

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

#define NEXT(type, name) \
	static type real_; \
	if (real_ == NULL) { \
		void *found_ = next(name); \
		memcpy(&real_, &found_, sizeof real_); \
	}

static bool is_ours(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	if (path_part == NULL)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	return strstr(path, path_part) != NULL;
}

static bool is_refused(int fd, bool grows)
{
	if (grows && is_wrong('f') && is_ours(fd)) {
		errno = ENOSPC;
		return true;
	}
	if (is_wrong('r') && is_ours(fd)) {
		errno = EROFS;
		return true;
	}
	return false;
}

static bool grows(int fd, off_t end_at)
{
	struct stat st;

	return fstat(fd, &st) == 0 && end_at > st.st_size;
}

static ssize_t put_at(int fd, const void *data, size_t n, off_t at)
{
	typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);
	NEXT(pwrite_fn, "pwrite64")
	if (is_refused(fd, grows(fd, at + (off_t)n)))
		return -1;
	if (fails(WRITE)) {
		errno = EIO;
		return -1;
	}
	return real_(fd, data, n, at);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	return put_at(fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at)
{
	return put_at(fd, data, n, at);
}

ssize_t write(int fd, const void *data, size_t n)
{
	typedef ssize_t (*write_fn)(int, const void *, size_t);
	NEXT(write_fn, "write")
	if (is_refused(fd, true))
		return -1;
	if (fd > 2 && fails(WRITE)) {
		errno = EIO;
		return -1;
	}
	return real_(fd, data, n);
}

static int sync_it(const char *name, int fd)
{
	typedef int (*fsync_fn)(int);
	void *found = next(name);
	fsync_fn real;

	memcpy(&real, &found, sizeof real);
	if (is_refused(fd, false))
		return -1;
	if (fails(FSYNC)) {
		errno = EIO;
		return -1;
	}
	if (is_wrong('s') && is_ours(fd))
		poll(NULL, 0, 1500);
	return real(fd);
}

int fsync(int fd)
{
	return sync_it("fsync", fd);
}

int fdatasync(int fd)
{
	return sync_it("fdatasync", fd);
}

static int open_it(const char *name, const char *path, int flags, mode_t mode)
{
	typedef int (*open_fn)(const char *, int, ...);
	void *found = next(name);
	open_fn real;

	memcpy(&real, &found, sizeof real);
	if (path_part != NULL && strstr(path, path_part) != NULL) {
		struct stat st;

		if (is_wrong('r') && (flags & O_ACCMODE) != O_RDONLY) {
			errno = EROFS;
			return -1;
		}
		if (is_wrong('f') && (flags & O_CREAT) != 0 && stat(path, &st) != 0) {
			errno = ENOSPC;
			return -1;
		}
	}
	return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list ap)
{
	return (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return open_it("open64", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return open_it("open64", path, flags, mode);
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
	typedef ssize_t (*send_fn)(int, const void *, size_t, int);
	NEXT(send_fn, "send")
	if (fails(SEND)) {
		errno = ECONNRESET;
		return -1;
	}
	return real_(fd, data, n, flags);
}

ssize_t recv(int fd, void *data, size_t n, int flags)
{
	typedef ssize_t (*recv_fn)(int, void *, size_t, int);
	NEXT(recv_fn, "recv")
	if (fails(RECV)) {
		errno = ECONNRESET;
		return -1;
	}
	return real_(fd, data, n, flags);
}

int connect(int fd, const struct sockaddr *to, socklen_t n)
{
	typedef int (*connect_fn)(int, const struct sockaddr *, socklen_t);
	NEXT(connect_fn, "connect")
	if (fails(CONNECT)) {
		errno = ENETUNREACH;
		return -1;
	}
	return real_(fd, to, n);
}

static bool is_refused_memory(void)
{
	if (only == 0 || !fails(MALLOC))
		return false;
	errno = ENOMEM;
	return true;
}

/* What the C library offers beside malloc() and the like; dlsym() itself may ask for memory. */
extern void *__libc_malloc(size_t n);
void *malloc(size_t n)
{
	return is_refused_memory() ? NULL : __libc_malloc(n);
}

extern void *__libc_calloc(size_t count, size_t n);
void *calloc(size_t count, size_t n)
{
	return is_refused_memory() ? NULL : __libc_calloc(count, n);
}

extern void *__libc_realloc(void *old, size_t n);
void *realloc(void *old, size_t n)
{
	return is_refused_memory() ? NULL : __libc_realloc(old, n);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	typedef int (*gettime_fn)(clockid_t, struct timespec *);
	int status;
	NEXT(gettime_fn, "clock_gettime")
	status = real_(clock, ret);
	if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && is_wrong('b'))
		ret->tv_sec -= HOUR_S;
	return status;
}
