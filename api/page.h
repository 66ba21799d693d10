/* api/page: a list as it is answered: {"value":[…],"nextLink":…,"revision":…}. Loop thread. */
#ifndef ROLLCALL_API_PAGE_H
#define ROLLCALL_API_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/request.h"
#include "server/base/buf.h"

struct page {
	struct request *r;
	struct buf body;
	size_t n; /* items so far */
};

void page_begin(struct page *p, struct request *r);
/* False: the answer is some MiB long already. What is left out comes with its nextLink. */
bool page_has_room(const struct page *p);
/* Gives where the next item is to be appended, as a whole. */
struct buf *page_item(struct page *p);
/* Ends the items. With has_more the page that begins at position follows. */
void page_close(struct page *p, bool has_more, uint64_t position);
/* Replies, after page_close(), with the commit that it shows; as does page_send_as_is() for what is not on
 * record. */
void page_send(struct page *p, uint64_t revision);
void page_send_as_is(struct page *p);

#endif
