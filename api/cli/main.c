/* api/cli: rollcall, the command line of the HTTP API: reads what was typed, finds the command. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/command.h"
#include "server/base/buf.h"

#define URL_DEFAULT "http://127.0.0.1:8080"
#define TOKEN_MAX_BYTES 4096

/* Each option has a letter, with which the commands say what they take. */
enum option_letter {
	OPTION_URL = 'u',
	OPTION_TOKEN_FILE = 't',
	OPTION_CA_FILE = 'c',
	OPTION_OUTPUT = 'o',
	OPTION_FILE = 'f',
	OPTION_WATCH = 'w',
	OPTION_HELP = 'h',
	OPTION_VERSION = 'V',
	OPTION_KEY = 'K',
	OPTION_STATE = 'S',
	OPTION_REASON = 'R',
	OPTION_WAITING_FOR = 'W',
	OPTION_WAVE = 'v',
	OPTION_GROUP = 'g',
	OPTION_HUB = 'H',
	OPTION_DEVICE = 'd',
	OPTION_NAME = 'n',
	OPTION_AFTER = 'a',
	OPTION_FOLLOW = 'F',
	OPTION_LIMIT = 'l',
	OPTION_OVERRIDE = 'O',
	OPTION_UNTIL_APPROVAL = 'A',
	OPTION_PLAIN = 'p',
	OPTION_PATIENCE = 'P',
	OPTION_FORGET = 'X',
};

static const struct option long_options[] = {{"url", required_argument, NULL, OPTION_URL},
                                             {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
                                             {"ca-file", required_argument, NULL, OPTION_CA_FILE},
                                             {"output", required_argument, NULL, OPTION_OUTPUT},
                                             {"file", required_argument, NULL, OPTION_FILE},
                                             {"watch", no_argument, NULL, OPTION_WATCH},
                                             {"help", no_argument, NULL, OPTION_HELP},
                                             {"version", no_argument, NULL, OPTION_VERSION},
                                             {"key", required_argument, NULL, OPTION_KEY},
                                             {"state", required_argument, NULL, OPTION_STATE},
                                             {"reason", required_argument, NULL, OPTION_REASON},
                                             {"waiting-for", required_argument, NULL, OPTION_WAITING_FOR},
                                             {"wave", required_argument, NULL, OPTION_WAVE},
                                             {"group", required_argument, NULL, OPTION_GROUP},
                                             {"hub", required_argument, NULL, OPTION_HUB},
                                             {"device", required_argument, NULL, OPTION_DEVICE},
                                             {"name", required_argument, NULL, OPTION_NAME},
                                             {"after", required_argument, NULL, OPTION_AFTER},
                                             {"follow", no_argument, NULL, OPTION_FOLLOW},
                                             {"limit", required_argument, NULL, OPTION_LIMIT},
                                             {"override", no_argument, NULL, OPTION_OVERRIDE},
                                             {"until-approval", no_argument, NULL, OPTION_UNTIL_APPROVAL},
                                             {"plain", no_argument, NULL, OPTION_PLAIN},
                                             {"patience", required_argument, NULL, OPTION_PATIENCE},
                                             {"forget", no_argument, NULL, OPTION_FORGET},
                                             {NULL, 0, NULL, 0}};

/* What every command takes, and what those take that may watch. */
#define ALWAYS "utcohV"
#define WATCHING "wApP"

static const struct command_entry {
	const char *name, *arguments, *what;
	size_t arguments_min, arguments_max;
	const char *options;
	enum status (*run)(struct command *c);
} commands[] = {
        {"run", "-f FILE", "create a campaign; its id, or with --watch its course", 0, 0, "fK" WATCHING,
         command_run},
        {"preview", "-f FILE", "what a campaign would come to; sends nothing", 0, 0, "f", command_preview},
        {"watch", "ID", "a campaign's course, to its end", 1, 1, "ApP", command_watch},
        {"list", "", "campaigns, the newest first", 0, 0, "Snl", command_list},
        {"show", "ID [DEVICE]", "a campaign, or one of its devices with attempts and evidence", 1, 2, "H",
         command_show},
        {"targets", "ID", "a campaign's devices; -o csv: all, in one snapshot", 1, 1, "SRWvgHdl",
         command_targets},
        {"events", "[ID]", "what happened, of a campaign or of all; --follow: and happens", 0, 1, "aFl",
         command_events},
        {"pause", "ID", "no new call leaves", 1, 1, WATCHING, command_pause},
        {"resume", "ID", "go on", 1, 1, WATCHING, command_resume},
        {"cancel", "ID", "end it; calls that are out settle", 1, 1, WATCHING, command_cancel},
        {"approve", "ID", "open the gate that waits; --override: also one that failed", 1, 1, "O" WATCHING,
         command_approve},
        {"retry", "ID", "a new campaign over the failed devices", 1, 1, "KR" WATCHING, command_retry},
        {"schedules", "[ID]", "schedules, or the next occurrences of one", 0, 1, "l", command_schedules},
        {"webhooks", "[NAME]", "webhooks, or what was given up of one; --forget: no more", 0, 1, "Xl",
         command_webhooks},
        {"hubs", "", "the hubs, with what they grant and what is used", 0, 0, "", command_hubs},
};
#define COMMANDS_N (sizeof commands / sizeof *commands)

static const char help_options[] =
        "\n"
        "Options\n"
        "  -u, --url URL          the service (ROLLCALL_URL, http://127.0.0.1:8080)\n"
        "      --token-file FILE  the token (ROLLCALL_TOKEN_FILE; or ROLLCALL_TOKEN, the token itself)\n"
        "      --ca-file FILE     certificates to trust, PEM (ROLLCALL_CA_FILE)\n"
        "  -o, --output FORMAT    text, json, or (targets only) csv\n"
        "  -f, --file FILE        a campaign's spec, JSON; -: standard input\n"
        "  -w, --watch            watch the campaign afterwards\n"
        "      --plain            watch by lines, also on a terminal\n"
        "      --patience SECONDS watch so long without an answer (300)\n"
        "      --until-approval   watch until a person has to approve\n"
        "      --key KEY          Idempotency-Key (a new one)\n"
        "      --state --reason --waiting-for --wave --group --hub --device --name VALUE  only those\n"
        "      --limit N          at most so many\n"
        "      --after ID         events behind that one\n"
        "      --follow           and those that come, until Ctrl-C\n"
        "      --override         approve although the gate has failed\n"
        "      --forget           forget a webhook's dead letters\n"
        "  -h, --help  -V, --version\n"
        "\n"
        "Exit status\n"
        "  0  done; of a watch: completed, every device proven (or excluded, or done already)\n"
        "  1  the service refused, or failed\n"
        "  2  the command line, or a file that it names, is wrong\n"
        "  3  completed, but devices failed\n"
        "  4  paused by a rule or a gate\n"
        "  5  completed, none failed, but some were never called\n"
        "  6  cancelled, or the devices could not be selected\n"
        "  7  the service cannot be reached\n"
        "  8  no token that is known, or not the role for it\n"
        "  9  waits for approval (--until-approval)\n";

static void help(void)
{
	puts("usage: rollcall COMMAND [OPTION]… [ARGUMENT]…\n\nCommands");
	for (size_t i = 0; i < COMMANDS_N; i++)
		printf("  %-9s %-12s %s\n", commands[i].name, commands[i].arguments, commands[i].what);
	fputs(help_options, stdout);
}

static const char *or_variable(const char *given, const char *name)
{
	const char *value = given != NULL ? given : getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum status read_number(const char *name, const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (text[strspn(text, "0123456789")] != '\0' || text[0] == '\0' || errno != 0 || n > max)
		return complain(STATUS_USAGE, "--%s must be a whole number up to %llu, not \"%s\"", name,
		                (unsigned long long)max, text);
	*ret = n;
	return STATUS_OK;
}

static enum status read_output(const char *text, enum output *ret)
{
	if (strcmp(text, "text") == 0)
		*ret = OUTPUT_TEXT;
	else if (strcmp(text, "json") == 0)
		*ret = OUTPUT_JSON;
	else if (strcmp(text, "csv") == 0)
		*ret = OUTPUT_CSV;
	else
		return complain(STATUS_USAGE, "--output must be text, json or csv, not \"%s\"", text);
	return STATUS_OK;
}

static enum status take_option(struct options *o, int letter, const char *name, const char *value)
{
	uint64_t n = 0;
	enum status status = STATUS_OK;

	switch ((enum option_letter)letter) {
	case OPTION_URL:
		o->url = value;
		break;
	case OPTION_TOKEN_FILE:
		o->token_file = value;
		break;
	case OPTION_CA_FILE:
		o->ca_file = value;
		break;
	case OPTION_OUTPUT:
		return read_output(value, &o->output);
	case OPTION_FILE:
		o->file = value;
		break;
	case OPTION_WATCH:
		o->watches = true;
		break;
	case OPTION_KEY:
		o->key = value;
		break;
	case OPTION_STATE:
		o->state = value;
		break;
	case OPTION_REASON:
		if (o->reasons_n == REASONS_ASKED_MAX)
			return complain(STATUS_USAGE, "too many reasons");
		o->reasons[o->reasons_n++] = value;
		break;
	case OPTION_WAITING_FOR:
		o->waiting_for = value;
		break;
	case OPTION_WAVE:
		o->wave = value;
		break;
	case OPTION_GROUP:
		o->group = value;
		break;
	case OPTION_HUB:
		o->hub = value;
		break;
	case OPTION_DEVICE:
		o->device = value;
		break;
	case OPTION_NAME:
		o->name = value;
		break;
	case OPTION_AFTER:
		return read_number(name, value, INT64_MAX, &o->after);
	case OPTION_FOLLOW:
		o->follows = true;
		break;
	case OPTION_LIMIT:
		return read_number(name, value, UINT32_MAX, &o->limit);
	case OPTION_OVERRIDE:
		o->overrides = true;
		break;
	case OPTION_FORGET:
		o->forgets = true;
		break;
	case OPTION_UNTIL_APPROVAL:
		o->until_approval = true;
		break;
	case OPTION_PLAIN:
		o->is_plain = true;
		break;
	case OPTION_PATIENCE:
		status = read_number(name, value, UINT32_MAX, &n);
		o->patience_s = (uint32_t)n;
		break;
	case OPTION_HELP:
	case OPTION_VERSION:
		break; /* main() has seen to them */
	}
	return status;
}

static const struct command_entry *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS_N; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static enum status read_options(int argc, char **argv, const struct command_entry **ret, struct options *o)
{
	char given[64] = "";
	const char *names[64] = {0};
	int letter, index = -1;
	enum status status;

	while ((letter = getopt_long(argc, argv, "u:o:f:whV", long_options, &index)) != -1) {
		size_t n = strlen(given);

		if (letter == '?')
			return STATUS_USAGE; /* getopt has told */
		names[n] = index >= 0 ? long_options[index].name : "";
		for (const struct option *l = long_options; index < 0 && l->name != NULL; l++)
			if (l->val == letter)
				names[n] = l->name;
		if (n + 2 > sizeof given)
			return complain(STATUS_USAGE, "too many options");
		given[n] = (char)letter;
		status = take_option(o, letter, names[n], optarg);
		if (status != STATUS_OK)
			return status;
		index = -1;
	}
	if (strchr(given, OPTION_HELP) != NULL || strchr(given, OPTION_VERSION) != NULL) {
		if (strchr(given, OPTION_HELP) != NULL)
			help();
		else
			puts("rollcall " ROLLCALL_VERSION);
		*ret = NULL;
		return STATUS_OK;
	}
	if (optind == argc)
		return complain(STATUS_USAGE, "which command? rollcall --help tells them");
	*ret = find_command(argv[optind]);
	if (*ret == NULL)
		return complain(STATUS_USAGE, "there is no command %s; rollcall --help tells them",
		                argv[optind]);
	for (size_t i = 0; given[i] != '\0'; i++)
		if (strchr(ALWAYS, given[i]) == NULL && strchr((*ret)->options, given[i]) == NULL)
			return complain(STATUS_USAGE, "%s takes no --%s", (*ret)->name, names[i]);
	for (int i = optind + 1; i < argc; i++) {
		if (o->arguments_n == (*ret)->arguments_max)
			return complain(STATUS_USAGE, "%s: what is \"%s\" for?", (*ret)->name, argv[i]);
		o->arguments[o->arguments_n++] = argv[i];
	}
	if (o->arguments_n < (*ret)->arguments_min)
		return complain(STATUS_USAGE, "usage: rollcall %s %s", (*ret)->name, (*ret)->arguments);
	if (o->output == OUTPUT_CSV && (*ret)->run != command_targets)
		return complain(STATUS_USAGE, "only targets can be had as csv");
	if (o->reasons_n > 1 && (*ret)->run == command_targets)
		return complain(STATUS_USAGE, "targets takes one --reason");
	return STATUS_OK;
}

/* Gives the token, "" for none; it must be plain text on one line. */
static enum status read_token(const char *file, struct buf *ret)
{
	const char *token = file == NULL ? getenv("ROLLCALL_TOKEN") : NULL;
	ssize_t n;
	int fd;

	buf_puts(ret, "");
	if (token != NULL) {
		buf_puts(ret, token);
	} else if ((file = or_variable(file, "ROLLCALL_TOKEN_FILE")) != NULL) {
		fd = open(file, O_RDONLY | O_CLOEXEC);
		n = fd >= 0 ? read(fd, buf_reserve(ret, TOKEN_MAX_BYTES), TOKEN_MAX_BYTES) : -1;
		if (n < 0)
			complain(STATUS_USAGE, "%s: %s", file, strerror(errno));
		if (fd >= 0)
			close(fd);
		if (n < 0)
			return STATUS_USAGE;
		ret->len += (size_t)n;
	}
	while (ret->len > 0 && strchr(" \t\r\n", ret->data[ret->len - 1]) != NULL)
		ret->len--;
	if (ret->data != NULL)
		ret->data[ret->len] = '\0';
	for (size_t i = 0; i < ret->len; i++)
		if (ret->data[i] <= ' ' || ret->data[i] > '~')
			return complain(STATUS_USAGE, "what should be the token is not one");
	return STATUS_OK;
}

/* "http://HOST…" where HOST is not this machine: who listens on the way reads the token. */
static bool is_exposed(const char *url)
{
	static const char *const here[] = {"127.", "localhost", "[::1]"};

	if (strncmp(url, "http://", 7) != 0)
		return strstr(url, "://") == NULL;
	for (size_t i = 0; i < sizeof here / sizeof *here; i++)
		if (strncmp(url + 7, here[i], strlen(here[i])) == 0)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct command c = {.o = {.patience_s = 300}};
	const struct command_entry *entry = NULL;
	struct client_options client = {0};
	struct buf token = BUF_INIT;
	enum status status = read_options(argc, argv, &entry, &c.o);

	if (status != STATUS_OK || entry == NULL)
		return (int)status;
	client.url = or_variable(c.o.url, "ROLLCALL_URL");
	client.url = client.url != NULL ? client.url : URL_DEFAULT;
	client.ca_file = or_variable(c.o.ca_file, "ROLLCALL_CA_FILE");
	status = read_token(c.o.token_file, &token);
	if (status == STATUS_OK) {
		if (token.len > 0 && is_exposed(client.url))
			complain(STATUS_OK, "the token goes to %s unencrypted", client.url);
		client.token = token.len > 0 ? token.data : NULL;
		c.client = client_new(&client);
		status = entry->run(&c);
		client_free(c.client);
	}
	buf_done(&token);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = complain(STATUS_USAGE, "standard output: %s", strerror(errno));
	return (int)status;
}
