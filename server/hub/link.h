/* hub/link: bytes over one connection that libcurl has made: over its socket, or the TLS session upon that.
 * libcurl's own curl_easy_send() and _recv() look through all of its connections for each piece and ask the
 * system twice for each record. Used by http.c alone. */
#ifndef ROLLCALL_SERVER_HUB_LINK_H
#define ROLLCALL_SERVER_HUB_LINK_H

#include <stdbool.h>
#include <stddef.h>

struct link {
	int fd;
	void *tls; /* an SSL, libcurl's own; NULL: none */
};
#define LINK_INIT ((struct link){-1, NULL})

/* Whether libcurl's TLS, which calls itself ssl_version, is the one that this was built with. */
bool link_knows(const char *ssl_version);
/* Before TLS begins, upon a new SSL_CTX; l stays where it is until the connection is closed. */
void link_expect(struct link *l, void *context);
/* The connection is there. From now on libcurl only closes it. False: out of memory. */
MUST_CHECK bool link_begin(struct link *l, int fd);
/* As dial_send(), dial_receive() and dial_has_more() of dial.h. */
long link_send(struct link *l, const void *data, size_t n);
long link_receive(struct link *l, void *data, size_t n);
bool link_has_more(const struct link *l);

#endif
