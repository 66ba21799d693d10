/* bench: the least that SQLite needs for the rows of a database of the service: bare FILE SCRATCH copies its
 * targets into memory, inserts them into SCRATCH (the same table, WAL, synchronous=FULL, a commit for 10,000)
 * and reads all columns of FILE's again. Prints seconds of each as JSON, by the clock and of CPU. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "server/base/buf.h"

#define COLUMNS "key, marks, device_id, life, baseline, group_no, zone_no"
#define COLUMNS_N 7
static bool is_number(int column)
{
	return column < 2 || column > 4;
}

#define ROWS_A_COMMIT 10000

struct stopwatch {
	double wall, cpu;
};

static double seconds(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct stopwatch start(void)
{
	return (struct stopwatch){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct stopwatch since(struct stopwatch then)
{
	return (struct stopwatch){seconds(CLOCK_MONOTONIC) - then.wall,
	                          seconds(CLOCK_PROCESS_CPUTIME_ID) - then.cpu};
}

static void must(int code, sqlite3 *db)
{
	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return;
	fprintf(stderr, "bare: %s\n", db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code));
	exit(1);
}

static void run(sqlite3 *db, const char *sql)
{
	must(sqlite3_exec(db, sql, NULL, NULL, NULL), db);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	must(sqlite3_prepare_v2(db, sql, -1, &st, NULL), db);
	return st;
}

/* Each value as SQLite itself keeps it, so that binding costs as little as can be. */
static sqlite3_value **copy_rows(sqlite3 *db, size_t *ret_n)
{
	sqlite3_stmt *st = prepare(db, "SELECT " COLUMNS " FROM targets");
	sqlite3_value **values = NULL;
	size_t n = 0, size = 0;

	while (sqlite3_step(st) == SQLITE_ROW) {
		if (n + COLUMNS_N > size) {
			size = size > 0 ? 2 * size : 1024 * COLUMNS_N;
			values = xrealloc(values, size * sizeof(sqlite3_value *));
		}
		for (int i = 0; i < COLUMNS_N; i++)
			values[n++] = sqlite3_value_dup(sqlite3_column_value(st, i));
	}
	sqlite3_finalize(st);
	*ret_n = n / COLUMNS_N;
	return values;
}

static struct stopwatch insert(sqlite3 *db, const char *table, sqlite3_value **values, size_t n)
{
	struct stopwatch then;
	sqlite3_stmt *st;

	run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
	        "PRAGMA wal_autocheckpoint = 4000");
	run(db, table);
	st = prepare(db, "INSERT INTO targets (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)");
	then = start();
	for (size_t i = 0; i < n; i++) {
		if (i % ROWS_A_COMMIT == 0)
			run(db, "BEGIN IMMEDIATE");
		for (int j = 0; j < COLUMNS_N; j++)
			must(sqlite3_bind_value(st, j + 1, values[i * COLUMNS_N + (size_t)j]), db);
		must(sqlite3_step(st), db);
		sqlite3_reset(st);
		if (i % ROWS_A_COMMIT == ROWS_A_COMMIT - 1 || i == n - 1)
			run(db, "COMMIT");
	}
	then = since(then);
	sqlite3_finalize(st);
	return then;
}

static struct stopwatch read_all(sqlite3 *db)
{
	sqlite3_stmt *st = prepare(db, "SELECT " COLUMNS " FROM targets");
	struct stopwatch then = start();
	int64_t sum = 0;

	while (sqlite3_step(st) == SQLITE_ROW)
		for (int i = 0; i < COLUMNS_N; i++)
			sum += is_number(i) ? sqlite3_column_int64(st, i) : sqlite3_column_bytes(st, i);
	then = since(then);
	if (sum == 0)
		fprintf(stderr, "bare: there are no targets\n");
	sqlite3_finalize(st);
	return then;
}

static sqlite3 *open_database(const char *path, int flags)
{
	sqlite3 *db;

	must(sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL), db);
	return db;
}

static char *table_of(sqlite3 *db)
{
	sqlite3_stmt *st = prepare(db, "SELECT sql FROM sqlite_schema WHERE name = 'targets'");
	char *ret;

	must(sqlite3_step(st), db);
	ret = xstrdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return ret;
}

int main(int argc, char **argv)
{
	struct stopwatch inserting, reading;
	sqlite3 *from, *to;
	sqlite3_value **values;
	char *table;
	size_t n;

	if (argc != 3) {
		fprintf(stderr, "usage: %s FILE SCRATCH\n", argv[0]);
		return 2;
	}
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	from = open_database(argv[1], SQLITE_OPEN_READWRITE);
	to = open_database(argv[2], SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	table = table_of(from);
	values = copy_rows(from, &n);
	inserting = insert(to, table, values, n);
	for (size_t i = 0; i < n * COLUMNS_N; i++)
		sqlite3_value_free(values[i]);
	free(values);
	free(table);
	sqlite3_close(to);
	reading = read_all(from);
	sqlite3_close(from);
	unlink(argv[2]);
	printf("{\"rows\":%zu,\"insert\":{\"wall\":%.4f,\"cpu\":%.4f},\"select\":{\"wall\":%.4f,\"cpu\":%.4f}}\n",
	       n, inserting.wall, inserting.cpu, reading.wall, reading.cpu);
	return 0;
}
