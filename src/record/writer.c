#include "record/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "record/dbfile.h"
#include "record/queue.h"
#include "record/store.h"

/* A commit happens this often while records come in: half of the promised half second. */
static const int64_t commit_interval_ns = 250 * NS_PER_MS;
/* Where the lock that marks the file as being written lies: far beyond any byte of it and of
 * SQLite's own locks. */
static const off_t lock_offset = (off_t)1 << 62;

/* Phase as workload/policy.h numbers it. */
enum { PHASE_OF_WARMUP = 0 };

struct step { /* a current run and since when */
    int64_t run_id, from_ns;
};

struct record_writer {
    char *path;
    int lock_fd; /* held until SQLite has closed the file: closing it drops this process's locks on
                    it */
    bool created;
    pthread_t thread;

    struct queue queue;
    _Atomic int64_t run_id; /* the current run, of steps the first; 0 before the first */
    struct step steps[RECORD_MAX_STEPS]; /* changed between loads only */
    size_t step_count;
    _Atomic uint64_t lost; /* records not written, after a failure */

    pthread_mutex_t store_lock;
    struct store store;

    pthread_mutex_t
        state_lock; /* guards stop and failure; never held while the disk is waited for */
    pthread_cond_t wake;
    bool stop;
    struct err failure; /* code OK while all is well */
};

/* Keeps the first failure. Returns its code. */
static int fail(struct record_writer *w, const char *doing, int rc)
{
    struct err e;
    dbfile_error(&e, w->path, doing, w->store.db, rc);
    pthread_mutex_lock(&w->state_lock);
    if (w->failure.code == OK)
        w->failure = e;
    int code = w->failure.code;
    pthread_mutex_unlock(&w->state_lock);
    return code;
}

bool record_writer_error(struct record_writer *w, struct err *e)
{
    pthread_mutex_lock(&w->state_lock);
    struct err failure = w->failure;
    pthread_mutex_unlock(&w->state_lock);
    if (failure.code == OK)
        return false;
    uint64_t lost = atomic_load(&w->lost);
    if (lost > 0)
        err_set(e, failure.code, "%.600s; %llu records could not be written", failure.text,
                (unsigned long long)lost);
    else if (e)
        *e = failure;
    return true;
}

static int failed_with(struct record_writer *w, struct err *e)
{
    struct err failure = {0};
    if (!record_writer_error(w, &failure))
        return OK;
    return err_set(e, failure.code, "%s", failure.text);
}

/* Moves all that is queued into the file. With store_lock. After a failure records are counted and
 * freed. */
static int drain(struct record_writer *w)
{
    struct queued *items = queue_take_all(&w->queue);
    int code = failed_with(w, NULL);
    if (items && code == OK) {
        int rc = store_add_items(&w->store, items);
        if (rc != SQLITE_OK) {
            code = fail(w, "writing records", rc);
            store_roll_back(&w->store);
        }
    }
    uint64_t count = 0;
    for (struct queued *item = items, *next; item; item = next) {
        next = queue_next(item);
        free(item);
        count++;
    }
    if (code != OK)
        atomic_fetch_add(&w->lost, count);
    return code;
}

/* Sleeps a commit interval, or less when told to stop. True to go on. */
static bool sleep_a_while(struct record_writer *w)
{
    int64_t until = clock_mono_ns() + commit_interval_ns;
    struct timespec t = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    pthread_mutex_lock(&w->state_lock);
    while (!w->stop && pthread_cond_timedwait(&w->wake, &w->state_lock, &t) != ETIMEDOUT)
        continue;
    bool go_on = !w->stop;
    pthread_mutex_unlock(&w->state_lock);
    return go_on;
}

static void *writer_thread(void *context)
{
    struct record_writer *w = context;
    while (sleep_a_while(w)) {
        pthread_mutex_lock(&w->store_lock);
        drain(w);
        pthread_mutex_unlock(&w->store_lock);
    }
    return NULL;
}

/* Starts the thread with all signals blocked: they are the main thread's. */
static int start_thread(struct record_writer *w)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&w->store_lock, NULL);
    pthread_mutex_init(&w->state_lock, NULL);

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&w->thread, NULL, writer_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

static int open_database(struct record_writer *w, struct err *e)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX; /* store_lock is the mutex */
    int code = w->created ? dbfile_open_new(w->path, flags, &w->store.db, e)
                          : dbfile_open(w->path, flags, NULL, &w->store.db, e);
    if (code != OK)
        return code;
    int rc = store_set_up(&w->store, w->created);
    return rc == SQLITE_OK ? OK
                           : dbfile_error(e, w->path, w->created ? "creating it" : "opening it",
                                          w->store.db, rc);
}

/* Creates the file, or opens the existing one when appending. */
static int open_file(struct record_writer *w, bool append, struct err *e)
{
    w->lock_fd = append ? open(w->path, O_RDWR | O_CLOEXEC) : -1;
    if (!append || (w->lock_fd < 0 && errno == ENOENT)) {
        w->lock_fd = open(w->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        w->created = w->lock_fd >= 0;
    }
    if (w->lock_fd >= 0)
        return OK;
    if (errno == EEXIST)
        return err_set(e, ERR_USAGE, "%s exists; choose another name with -o or remove it",
                       w->path);
    if (errno == EISDIR)
        return err_set(e, ERR_USAGE, "%s is a directory; choose a file name with -o", w->path);
    return err_set(e, ERR_IO, "cannot write %s: %s; choose another place with -o", w->path,
                   strerror(errno));
}

/* Refuses a second writer; readers do not look at this lock. Goes with the process, however it
 * ends. File systems without such locks are taken on trust. */
static int lock_file(struct record_writer *w, struct err *e)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = lock_offset, .l_len = 1};
    if (fcntl(w->lock_fd, F_OFD_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES))
        return err_set(
            e, ERR_USAGE,
            "%s is being written by another run; wait for its end or choose another name "
            "with -o",
            w->path);
    return OK;
}

static void release(struct record_writer *w, bool remove_file)
{
    store_release(&w->store);
    if (remove_file)
        unlink(w->path);
    if (w->lock_fd >= 0)
        close(w->lock_fd);
    free(w->path);
    free(w);
}

int record_writer_open(const char *path, bool append, struct record_writer **out, struct err *e)
{
    struct record_writer *w = MEM_NEW(struct record_writer);
    w->path = mem_strdup(path);
    int code = open_file(w, append, e);
    if (code == OK)
        code = lock_file(w, e);
    if (code == OK)
        code = open_database(w, e);
    if (code == OK && start_thread(w) != 0)
        code = err_set(e, ERR_IO, "cannot start the thread that writes %s", path);
    if (code != OK) {
        release(w, w->created);
        return code;
    }
    *out = w;
    return OK;
}

/* The lock is held. */
static bool add_run(struct record_writer *w, struct run_record *run)
{
    int rc = store_add_run(&w->store, run, &run->id);
    if (rc != SQLITE_OK)
        fail(w, "adding a run", rc);
    return rc == SQLITE_OK;
}

int record_writer_begin_steps(struct record_writer *w, struct run_record *runs,
                              const int64_t *from_ns, size_t count, struct err *e)
{
    if (count == 0 || count > RECORD_MAX_STEPS || from_ns[0] != 0)
        BUG("steps that no load has");
    pthread_mutex_lock(&w->store_lock);
    bool ok = drain(w) == OK;
    for (size_t i = 0; ok && i < count; i++) {
        ok = add_run(w, &runs[i]);
        w->steps[i] = (struct step){runs[i].id, from_ns[i]};
    }
    w->step_count = ok ? count : 0;
    if (ok)
        atomic_store(&w->run_id, runs[0].id);
    pthread_mutex_unlock(&w->store_lock);
    return failed_with(w, e);
}

int record_writer_begin(struct record_writer *w, struct run_record *run, struct err *e)
{
    static const int64_t start_ns[1] = {0};
    return record_writer_begin_steps(w, run, start_ns, 1, e);
}

static int64_t current_run(struct record_writer *w)
{
    int64_t id = atomic_load_explicit(&w->run_id, memory_order_relaxed);
    if (id == 0)
        BUG("a record was put before a run had begun");
    return id;
}

/* The step of a moment; the first for what was before. */
static const struct step *step_at(const struct record_writer *w, int64_t at_ns)
{
    size_t i = w->step_count;
    while (i > 1 && w->steps[i - 1].from_ns > at_ns)
        i--;
    return &w->steps[i > 0 ? i - 1 : 0];
}

static void shift(int64_t *at_ns, int64_t by_ns)
{
    if (*at_ns != RECORD_NONE)
        *at_ns -= by_ns;
}

void record_writer_put(struct record_writer *w, const struct request_record *r)
{
    int64_t run_id = current_run(w);
    if (w->step_count < 2 || r->phase == PHASE_OF_WARMUP) {
        queue_put_request(&w->queue, run_id, r);
        return;
    }
    const struct step *s = step_at(w, r->intended_ns);
    struct request_record moved = *r;
    int64_t *const times[] = {&moved.intended_ns,   &moved.started_ns,     &moved.sent_ns,
                              &moved.first_byte_ns, &moved.first_token_ns, &moved.first_answer_ns,
                              &moved.last_token_ns, &moved.end_ns};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        shift(times[i], s->from_ns);
    queue_put_request(&w->queue, s->run_id, &moved);
}

void record_writer_second(struct record_writer *w, const struct second_record *s)
{
    int64_t run_id = current_run(w);
    if (w->step_count < 2) {
        queue_put_second(&w->queue, run_id, s);
        return;
    }
    const struct step *step = step_at(w, s->second * NS_PER_S);
    struct second_record moved = *s;
    moved.second -= step->from_ns / NS_PER_S;
    queue_put_second(&w->queue, step->run_id, &moved);
}

void record_writer_sample(struct record_writer *w, const struct sample_record *s)
{
    int64_t run_id = current_run(w);
    if (w->step_count < 2) {
        queue_put_sample(&w->queue, run_id, s);
        return;
    }
    const struct step *step = step_at(w, s->at_ns);
    struct sample_record moved = *s;
    moved.at_ns -= step->from_ns;
    queue_put_sample(&w->queue, step->run_id, &moved);
}

void record_writer_finding(struct record_writer *w, const struct finding_record *f)
{
    queue_put_finding(&w->queue, current_run(w), f);
}

void record_writer_catch_up(struct record_writer *w)
{
    pthread_mutex_lock(&w->store_lock);
    drain(w);
    pthread_mutex_unlock(&w->store_lock);
}

int record_writer_meta(struct record_writer *w, const char *key, const char *value, struct err *e)
{
    pthread_mutex_lock(&w->store_lock);
    if (failed_with(w, NULL) == OK) {
        int rc = store_set_meta(&w->store, key, value);
        if (rc != SQLITE_OK)
            fail(w, "storing a fact of the file", rc);
    }
    pthread_mutex_unlock(&w->store_lock);
    return failed_with(w, e);
}

int record_writer_recount(struct record_writer *w, const struct request_record *r, bool keep_output,
                          struct err *e)
{
    pthread_mutex_lock(&w->store_lock);
    if (drain(w) == OK) {
        int rc = store_recount(&w->store, current_run(w), r, keep_output);
        if (rc != SQLITE_OK)
            fail(w, "storing a count of tokens", rc);
    }
    pthread_mutex_unlock(&w->store_lock);
    return failed_with(w, e);
}

int record_writer_finish(struct record_writer *w, const struct run_record *run, struct err *e)
{
    pthread_mutex_lock(&w->store_lock);
    if (drain(w) == OK) {
        int rc = store_end_run(&w->store, run);
        if (rc != SQLITE_OK)
            fail(w, "finishing a run", rc);
    }
    pthread_mutex_unlock(&w->store_lock);
    return failed_with(w, e);
}

static void stop_thread(struct record_writer *w)
{
    pthread_mutex_lock(&w->state_lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->state_lock);
    pthread_join(w->thread, NULL);
}

int record_writer_close(struct record_writer *w, struct err *e)
{
    stop_thread(w);
    if (drain(w) == OK) {
        int rc = store_leave_one_file(&w->store);
        if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
            fail(w, "closing it", rc);
    }
    int code = failed_with(w, e);
    pthread_mutex_destroy(&w->store_lock);
    pthread_mutex_destroy(&w->state_lock);
    pthread_cond_destroy(&w->wake);
    release(w, w->created &&
                   atomic_load(&w->run_id) == 0); /* without a run there is nothing to keep */
    return code;
}
