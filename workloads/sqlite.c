/* SPDX-License-Identifier: MIT
 *
 * workloads/sqlite.c: a database on the simulated disk: Debian's libsqlite3.a, linked static
 * against glibc, as it comes.
 *
 * One operation is one row: the table is made, rows are inserted in transactions of BATCH
 * rows, and after each transaction indexed queries run. Journal and syncing are SQLite's
 * defaults (a rollback journal, deleted at commit; full synchronous), so every commit is
 * several fsync() calls. Temporary tables stay in memory: SQLite names temporary files at
 * random, and a name must not decide what a run measures.
 */
#include <sqlite3.h>
#include <unistd.h>

#include "workloads/region.h"

#define BATCH 50
#define QUERIES 20 /* after each transaction */

static const char *const schema = "PRAGMA temp_store = MEMORY;"
                                  "CREATE TABLE part (id INTEGER PRIMARY KEY, name TEXT, bin INTEGER, weight REAL);"
                                  "CREATE INDEX part_bin ON part (bin, weight);";

struct workload {
    sqlite3 *db;
    sqlite3_stmt *insert, *query;
    unsigned long rows;   /* inserted so far */
    unsigned long random; /* state of the generator of values */
    double sum;           /* of all query results */
};

static void require_sqlite(sqlite3 *db, int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

/* xorshift64: the same values on every host. */
static unsigned long next_random(struct workload *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static void run(sqlite3 *db, const char *sql)
{
    require_sqlite(db, sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    require_sqlite(db, sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
    return statement;
}

static void create(struct workload *w, const char *path)
{
    int result;

    *w = (struct workload){.random = 88172645463325252ul};
    result = sqlite3_open(path, &w->db);
    require_sqlite(w->db, result == SQLITE_OK, path);
    run(w->db, schema);
    w->insert = prepare(w->db, "INSERT INTO part (name, bin, weight) VALUES (?1, ?2, ?3)");
    w->query = prepare(w->db, "SELECT count(*), total(weight) FROM part WHERE bin = ?1 AND weight < ?2");
}

static void insert_row(struct workload *w)
{
    char name[40];

    snprintf(name, sizeof(name), "part %lu of lot %lx", w->rows, next_random(w) & 0xffffff);
    sqlite3_bind_text(w->insert, 1, name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(w->insert, 2, (sqlite3_int64)(next_random(w) % 32));
    sqlite3_bind_double(w->insert, 3, (double)(next_random(w) % 10000) / 16.0);
    require_sqlite(w->db, sqlite3_step(w->insert) == SQLITE_DONE, "insert");
    sqlite3_reset(w->insert);
    w->rows++;
}

static void query_bin(struct workload *w)
{
    sqlite3_bind_int64(w->query, 1, (sqlite3_int64)(next_random(w) % 32));
    sqlite3_bind_double(w->query, 2, (double)(next_random(w) % 10000) / 16.0);
    require_sqlite(w->db, sqlite3_step(w->query) == SQLITE_ROW, "query");
    w->sum += sqlite3_column_double(w->query, 1) + (double)sqlite3_column_int64(w->query, 0);
    sqlite3_reset(w->query);
}

static void insert_and_query(struct workload *w, unsigned long rows)
{
    while (w->rows < rows) {
        run(w->db, "BEGIN");
        for (int i = 0; i < BATCH && w->rows < rows; i++)
            insert_row(w);
        run(w->db, "COMMIT");
        for (int i = 0; i < QUERIES; i++)
            query_bin(w);
    }
}

static void finish(struct workload *w)
{
    sqlite3_finalize(w->insert);
    sqlite3_finalize(w->query);
    require_sqlite(w->db, sqlite3_close(w->db) == SQLITE_OK, "close");
}

/* Outside the region: is the database sound, and what is in it. */
static void print_database(struct workload *w)
{
    sqlite3_stmt *check = prepare(w->db, "PRAGMA integrity_check");
    sqlite3_stmt *total = prepare(w->db, "SELECT count(*), count(DISTINCT bin), total(weight) FROM part");

    require_sqlite(w->db, sqlite3_step(check) == SQLITE_ROW, "integrity_check");
    require_sqlite(w->db, sqlite3_step(total) == SQLITE_ROW, "total");
    printf("sqlite %s: %s, %d rows in %d bins weigh %.4f, queries %.4f\n", sqlite3_libversion(),
           sqlite3_column_text(check, 0), sqlite3_column_int(total, 0), sqlite3_column_int(total, 1),
           sqlite3_column_double(total, 2), w->sum);
    sqlite3_finalize(check);
    sqlite3_finalize(total);
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "sqlite");
    struct workload w;

    unlink("tmp/parts.db"); /* of an earlier native run */
    create(&w, "tmp/warm.db");
    insert_and_query(&w, BATCH);
    finish(&w);
    require(unlink("tmp/warm.db") == 0, "unlink tmp/warm.db");

    region_begin();
    create(&w, "tmp/parts.db");
    insert_and_query(&w, ops);
    region_end(ops);
    print_database(&w);
    finish(&w);
    require(fflush(stdout) == 0, "standard output");
    return 0;
}
