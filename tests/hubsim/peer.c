/* tests/hubsim: see peer.h */
#include "tests/hubsim/peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 32
#define WAIT_MAX_S 20

static void folder_make(struct peer *p)
{
	if (p->folder[0] != '\0')
		return;
	strcpy(p->folder, "/tmp/hubsim-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->folder));
}

/* Gives the pid, and where its standard output (and error output too, if wanted) can be read. */
static pid_t spawn(const char *folder, const char *const *args, int with_errors, int *ret_out)
{
	const char *program = getenv("HUBSIM");
	char *argv[ARGS_MAX] = {(char *)(uintptr_t)program};
	int pipe_fds[2];
	pid_t pid;

	ck_assert_msg(program != NULL, "HUBSIM must name the program under test");
	for (size_t i = 0; args[i] != NULL; i++) {
		ck_assert_uint_lt(i + 2, ARGS_MAX);
		argv[i + 1] = (char *)(uintptr_t)args[i];
	}
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(folder) != 0 || dup2(pipe_fds[1], STDOUT_FILENO) < 0 ||
		    (with_errors && dup2(pipe_fds[1], STDERR_FILENO) < 0))
			_exit(127);
		execv(program, argv);
		_exit(127);
	}
	close(pipe_fds[1]);
	*ret_out = pipe_fds[0];
	return pid;
}

static uint16_t port_of(const char *line, const char *url)
{
	const char *at = strstr(line, url);

	return at == NULL ? 0 : (uint16_t)strtoul(at + strlen(url), NULL, 10);
}

void peer_start(struct peer *p, const char *const *args)
{
	const char *ready = NULL;
	int out;
	ssize_t n;

	folder_make(p);
	p->pid = spawn(p->folder, args, 0, &out);
	buf_init(&p->printed);
	while (ready == NULL || strchr(ready, '\n') == NULL) {
		n = read(out, buf_reserve(&p->printed, 1024), 1024);
		ck_assert_msg(n > 0, "hubsim ended before its doors were open");
		p->printed.len += (size_t)n;
		buf_puts(&p->printed, "");
		ready = strstr(p->printed.data, "hubsim: ready");
	}
	close(out);
	p->port = port_of(ready, " http=http://127.0.0.1:");
	p->tls_port = port_of(ready, " https=https://127.0.0.1:");
	p->mqtt_port = port_of(ready, " mqtt=mqtt://127.0.0.1:");
	p->mqtts_port = port_of(ready, " mqtts=mqtts://127.0.0.1:");
}

static int wait_for(pid_t pid)
{
	int status;

	alarm(WAIT_MAX_S);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	alarm(0);
	ck_assert_msg(WIFEXITED(status), "hubsim ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void folder_remove(const char *folder)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

void peer_stop(struct peer *p)
{
	ck_assert_int_eq(kill(p->pid, SIGTERM), 0);
	ck_assert_int_eq(wait_for(p->pid), 0);
	folder_remove(p->folder);
	buf_done(&p->printed);
}

int peer_run(const char *const *args, struct buf *ret_printed)
{
	struct peer p = {.pid = 0};
	int out, status;
	ssize_t n;

	folder_make(&p);
	p.pid = spawn(p.folder, args, 1, &out);
	while ((n = read(out, buf_reserve(ret_printed, 1024), 1024)) > 0)
		ret_printed->len += (size_t)n;
	buf_puts(ret_printed, "");
	close(out);
	status = wait_for(p.pid);
	folder_remove(p.folder);
	return status;
}

static FILE *file_open(const struct peer *p, const char *name, const char *mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", p->folder, name);
	f = fopen(path, mode);
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	return f;
}

void peer_file_put(struct peer *p, const char *name, const char *text)
{
	FILE *f;

	folder_make(p);
	f = file_open(p, name, "w");
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

void peer_file_get(const struct peer *p, const char *name, struct buf *ret_text)
{
	FILE *f = file_open(p, name, "r");
	size_t n;

	while ((n = fread(buf_reserve(ret_text, 4096), 1, 4096, f)) > 0)
		ret_text->len += n;
	buf_puts(ret_text, "");
	fclose(f);
}

/* --- Speaking ------------------------------------------------------------------------------------------- */

int peer_dial(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval patience = {.tv_sec = WAIT_MAX_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

void peer_say(int fd, const char *text, size_t n)
{
	ck_assert_int_eq(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

const char *reply_header(const struct reply *r, const char *name)
{
	static char value[4096];
	size_t len = strlen(name);

	for (const char *line = r->head.data; line != NULL; line = strchr(line, '\n')) {
		line += line[0] == '\n';
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 2;
			snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
			return value;
		}
	}
	return NULL;
}

static void hear_some(int fd, struct buf *b, size_t n)
{
	ck_assert_msg(recv(fd, buf_reserve(b, n), n, MSG_WAITALL) == (ssize_t)n, "no answer: %s",
	              strerror(errno));
	b->len += n;
	buf_puts(b, "");
}

void peer_hear(int fd, struct reply *ret_reply)
{
	const char *length;

	memset(ret_reply, 0, sizeof *ret_reply);
	do
		hear_some(fd, &ret_reply->head, 1);
	while (strstr(ret_reply->head.data, "\r\n\r\n") == NULL);
	ck_assert_int_eq(sscanf(ret_reply->head.data, "HTTP/1.1 %d ", &ret_reply->status), 1);
	length = reply_header(ret_reply, "Content-Length");
	buf_puts(&ret_reply->body, "");
	if (length != NULL && strcmp(length, "0") != 0)
		hear_some(fd, &ret_reply->body, strtoul(length, NULL, 10));
}

int peer_hear_end(int fd)
{
	char room[4096];
	ssize_t n;

	do
		n = recv(fd, room, sizeof room, 0);
	while (n > 0);
	return n == 0 ? 0 : errno;
}

void reply_done(struct reply *r)
{
	buf_done(&r->head);
	buf_done(&r->body);
}
