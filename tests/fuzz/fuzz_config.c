/* tests: the configuration file, with the hubs in it, and the webhooks file under libFuzzer: what is refused
 * is refused with places and reasons, all of them texts of one line, and what is taken can be served: hubs
 * with names of their own, hosts and credentials, and nobody from outside without tokens. A key that the
 * environment holds is told to nobody. The first byte says what the environment says; the rest is the
 * configuration file, and, behind a NUL, the webhooks file. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/secret.h"
#include "server/config.h"

#define KEY "dGhpcyBpcyB2ZXJ5IHNlY3JldCBpbmRlZWQ="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int file_of(const char *name, char path[64])
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	assert(fd >= 0 && fchmod(fd, 0600) == 0);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static void put(int fd, const uint8_t *data, size_t n)
{
	assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, n, 0) == (ssize_t)n);
}

/* is_input: the key stands in the input, too, perhaps as the name of a member; those are told. */
static void check_told(const struct faults *f, bool is_input)
{
	for (size_t i = 0; i < f->n; i++) {
		assert(f->all[i].pointer[0] != '\0' && f->all[i].detail[0] != '\0');
		assert(is_input ||
		       (strstr(f->all[i].pointer, KEY) == NULL && strstr(f->all[i].detail, KEY) == NULL));
	}
}

static void check_taken(const struct config *c)
{
	assert(c->task == CONFIG_SERVE && c->database[0] != '\0' && c->hubs_n > 0 && c->campaigns_max > 0);
	if (c->tokens_file == NULL && c->oidc_issuer == NULL)
		assert(strncmp(c->listen_address, "127.", 4) == 0 ||
		       strcmp(c->listen_address, "localhost") == 0 || strchr(c->listen_address, ':') != NULL);
	assert((c->tls_cert_file == NULL) == (c->tls_key_file == NULL));
	for (uint32_t i = 0; i < c->hubs_n; i++) {
		const struct config_hub *hub = &c->hubs[i];

		assert(hub->name[0] != '\0' && hub->host[0] != '\0' && hub->units > 0);
		assert((hub->connection_string != NULL) != (hub->entra != NULL));
		for (uint32_t j = 0; j < i; j++)
			assert(strcmp(hub->name, c->hubs[j].name) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char file[64], webhooks[64], program[] = "rollcalld", config_flag[] = "--config",
	                                    webhooks_flag[] = "--webhooks-file",
	                                    hub[] = "ROLLCALL_HUB_CONNECTION_STRING=HostName=h.example;"
	                                            "SharedAccessKeyName=service;SharedAccessKey=" KEY;
	static int file_fd = -1, webhooks_fd;
	char *argv[] = {program, config_flag, file, webhooks_flag, webhooks, NULL},
	     *environment[] = {hub, NULL};
	struct faults faults = FAULTS_INIT;
	struct config c;
	const uint8_t *end;
	size_t len;
	bool is_input;
	enum err err;

	if (n == 0)
		return 0;
	if (file_fd < 0) {
		file_fd = file_of("config", file);
		webhooks_fd = file_of("webhooks", webhooks);
	}
	end = memchr(data + 1, '\0', n - 1);
	len = end != NULL ? (size_t)(end - data) - 1 : n - 1;
	put(file_fd, data + 1, len);
	if (end != NULL)
		put(webhooks_fd, end + 1, n - 2 - len);
	err = config_read(end != NULL ? 5 : 3, argv, environment + !(data[0] & 1), &c, &faults);
	assert(err == ERR_OK || (err == ERR_INVALID && faults.n > 0));
	is_input = memmem(data, n, KEY, strlen(KEY)) != NULL;
	check_told(&faults, is_input);
	if (err == ERR_OK) {
		assert(faults.n == 0);
		check_told(&c.warnings, is_input);
		check_taken(&c);
		config_done(&c);
	}
	faults_done(&faults);
	secret_forget_all();
	return 0;
}
