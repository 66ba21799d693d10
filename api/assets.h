/* api/assets: the dashboard, from the program itself. The page is at /, and is asked for anew each time; what
 * it is made of is below /dashboard/{version}/, where the version is a hash over all of it, so a browser
 * keeps each file for as long as it likes and never mixes two versions. Everything is sent compressed where
 * that is taken. */
#ifndef ROLLCALL_API_ASSETS_H
#define ROLLCALL_API_ASSETS_H

struct request;

/* The part of the paths that stands for what the files say. */
const char *assets_version(void);

void assets_page(struct request *r);
void assets_file(struct request *r);

#endif
