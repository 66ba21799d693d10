/* agent: see command.h */
#include "deploy/agent/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- words --- */

void command_free(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

/* Copies the word that starts at line to out; gives where it ends, NULL: a quote is not closed. */
static const char *take_word(const char *line, char *out)
{
	char quote = '\0';

	for (; *line != '\0' && (quote != '\0' || strchr(" \t\n", *line) == NULL); line++)
		if (*line == quote)
			quote = '\0';
		else if (quote == '\0' && (*line == '\'' || *line == '"'))
			quote = *line;
		else
			*out++ = *line;
	*out = '\0';
	return quote == '\0' ? line : NULL;
}

char **command_split(const char *line)
{
	char **words = calloc(strlen(line) / 2 + 2, sizeof *words);
	size_t n = 0;

	if (words == NULL)
		return NULL;
	for (line += strspn(line, " \t\n"); *line != '\0'; line += strspn(line, " \t\n")) {
		words[n] = malloc(strlen(line) + 1);
		line = words[n] == NULL ? NULL : take_word(line, words[n++]);
		if (line == NULL)
			break;
	}
	if (line != NULL && n > 0 && words[0][0] != '\0')
		return words;
	command_free(words);
	return NULL;
}

/* --- environment --- */

static bool add(char **env, size_t *n, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return true;
	if (asprintf(&env[*n], "ROLLCALL_%s=%s", name, value) < 0) {
		env[*n] = NULL;
		return false;
	}
	++*n;
	return true;
}

/* Gives a list for command_free(); NULL: no memory. */
static char **environment(const struct request *r)
{
	size_t n = 0, i;
	char **env;

	for (i = 0; environ[i] != NULL; i++)
		;
	env = calloc(i + 7, sizeof *env);
	for (i = 0; env != NULL && environ[i] != NULL; i++) {
		if (strncmp(environ[i], "ROLLCALL_", 9) == 0) /* the agent's own, secrets among them */
			continue;
		if ((env[n] = strdup(environ[i])) == NULL)
			goto failed;
		n++;
	}
	if (env != NULL && add(env, &n, "METHOD", act_type_text(r->type)) &&
	    add(env, &n, "ATTEMPT_ID", r->attempt_id) && add(env, &n, "PAYLOAD", r->payload) &&
	    add(env, &n, "PACKAGE_URI", r->package_uri) &&
	    add(env, &n, "PACKAGE_VERSION", r->package_version) &&
	    add(env, &n, "PACKAGE_CHECK", r->package_check))
		return env;
failed:
	command_free(env);
	return NULL;
}

/* --- the process --- */

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: tells by report_fd why it could not become the program. */
static void become(char *const *words, char **env, int report_fd)
{
	int null_fd = open("/dev/null", O_RDONLY), error;
	ssize_t told;

	setsid();
	reset_signals();
	if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(report_fd, 3) >= 0 &&
	    fcntl(3, F_SETFD, FD_CLOEXEC) == 0) {
		report_fd = 3;
		close_range(4, ~0U, 0);
		environ = env;
		execvp(words[0], words);
	}
	error = errno;
	told = write(report_fd, &error, sizeof error);
	_exit(told < 0 ? 126 : 127);
}

pid_t command_start(char *const *words, const struct request *r)
{
	char **env = environment(r);
	int report[2], error = 0;
	pid_t pid = -1;
	ssize_t n;

	if (env == NULL) {
		errno = ENOMEM;
		return -1;
	}
	if (pipe2(report, O_CLOEXEC) < 0) {
		command_free(env);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		become(words, env, report[1]);
	error = errno;
	close(report[1]);
	if (pid > 0) {
		/* Closed without a word when it has become the program. */
		do
			n = read(report[0], &error, sizeof error);
		while (n < 0 && errno == EINTR);
		if (n == (ssize_t)sizeof error)
			pid = -1; /* its end is reaped with all others */
	}
	close(report[0]);
	command_free(env);
	errno = error;
	return pid;
}
