/* api: see page.h */
#include "api/page.h"

#include <inttypes.h>

#define BODY_MAX_BYTES ((size_t)4 << 20) /* a spec may have megabytes */

void page_begin(struct page *p, struct request *r)
{
	*p = (struct page){.r = r, .body = BUF_INIT};
	buf_puts(&p->body, "{\"value\":[");
}

bool page_has_room(const struct page *p)
{
	return p->body.len < BODY_MAX_BYTES;
}

struct buf *page_item(struct page *p)
{
	if (p->n++ > 0)
		buf_putc(&p->body, ',');
	return &p->body;
}

void page_close(struct page *p, bool has_more, uint64_t position)
{
	buf_putc(&p->body, ']');
	if (has_more)
		request_put_next_cursor(p->r, position, &p->body);
}

void page_send(struct page *p, uint64_t revision)
{
	buf_printf(&p->body, ",\"revision\":%" PRIu64, revision);
	page_send_as_is(p);
}

void page_send_as_is(struct page *p)
{
	buf_putc(&p->body, '}');
	reply_json(p->r, 200, &p->body);
}
