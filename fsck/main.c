/* dolmen-fsck: options, the order of passes, the verdict. */
#include <dirent.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsck_config.h"

/* Exit codes of fsck(8). */
enum { EXIT_CLEAN = 0, EXIT_CORRECTED = 1, EXIT_LEFT = 4, EXIT_OPERATION = 8, EXIT_USAGE = 16 };

static const char help[] =
    "dolmen-fsck " DOLMEN_VERSION ": checks and repairs a Dolmen pool that no dolmend serves\n"
    "\n"
    "  dolmen-fsck [--repair] [--rebuild-index] [--json] [--key FILE] [--index DIR]\n"
    "              (--dev DIR | --config FILE | DRIVE...)\n"
    "\n"
    "  --dev DIR      the drives of DIR/drives, with DIR/key and DIR/index\n"
    "  --config FILE  the drives, the key and the index that dolmend's configuration names\n"
    "  DRIVE...       drive files or block devices\n"
    "  --key FILE     the pool's key file; without it an encrypted pool's structure is checked, and not its contents\n"
    "  --index DIR    the index that is compared with the drives\n"
    "  --repair       write what is bad and can be computed from what is good; without it nothing is written at all.\n"
    "                 A wrong index is moved aside: dolmend builds it from the drives at its next start\n"
    "  --rebuild-index\n"
    "                 build an index from the drives, in the place of the one that is there; the drives are only read\n"
    "  --json         one JSON object a line: problems as they are found, the summary last\n"
    "  --threads N    slabs read at the same time (default: one for each core)\n"
    "  --progress     show progress on standard error\n"
    "\n"
    "Exit codes: 0 clean, 1 all that was wrong is repaired, 4 something is wrong, 8 could not run, 16 wrong usage.\n";

struct arguments {
    struct fsck_options fsck;
    enum fsck_format format;
    enum fsck_progress progress;
    const char *dev, *config;
    struct fsck_paths paths; /* what those two name */
};

static int wrong(const char *what, const char *value)
{
    fprintf(stderr, "dolmen-fsck: %s%s\n'dolmen-fsck --help' shows how it is used.\n", what, value);
    return EXIT_USAGE;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_dev(struct fsck_paths *p, const char *dir)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/drives", dir);
    DIR *d = opendir(path);
    if (d == NULL) {
        fprintf(stderr, "dolmen-fsck: %s can't be read: is %s the folder of a pool?\n", path, dir);
        return EXIT_OPERATION;
    }
    struct dirent *e;
    bool ok = true;
    while (ok && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        ok = p->count < FORMAT_DRIVES_MAX && asprintf(&p->drives[p->count], "%s/%s", path, e->d_name) >= 0;
        p->count += ok;
    }
    closedir(d);
    if (!ok)
        return wrong("too many drives in ", path);
    qsort(p->drives, p->count, sizeof p->drives[0], by_name);
    snprintf(path, sizeof path, "%s/key", dir);
    if (stat(path, &st) == 0 && (p->key = strdup(path)) == NULL)
        return EXIT_OPERATION;
    return asprintf(&p->index, "%s/index", dir) < 0 ? EXIT_OPERATION : 0;
}

static int add_paths(struct arguments *a)
{
    int status = 0;
    if (a->dev != NULL)
        status = add_dev(&a->paths, a->dev);
    else if (a->config != NULL && fsck_config_read(a->config, &a->paths) != DOL_OK)
        status = EXIT_OPERATION;
    for (unsigned i = 0; i < a->paths.count; i++)
        a->fsck.drives[a->fsck.drive_count++] = a->paths.drives[i];
    if (a->fsck.key_file == NULL)
        a->fsck.key_file = a->paths.key;
    if (a->fsck.index_dir == NULL)
        a->fsck.index_dir = a->paths.index;
    return status;
}

static int parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"dev", required_argument, NULL, 'd'},
        {"key", required_argument, NULL, 'k'},    {"index", required_argument, NULL, 'i'},
        {"repair", no_argument, NULL, 'r'},       {"rebuild-index", no_argument, NULL, 'b'},
        {"json", no_argument, NULL, 'j'},         {"threads", required_argument, NULL, 't'},
        {"progress", no_argument, NULL, 'p'},     {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
    int c;
    char *end;
    unsigned long threads;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'd':
            a->dev = optarg;
            break;
        case 'c':
            a->config = optarg;
            break;
        case 'k':
            a->fsck.key_file = optarg;
            break;
        case 'i':
            a->fsck.index_dir = optarg;
            break;
        case 'r':
            a->fsck.mode = FSCK_REPAIR;
            break;
        case 'b':
            a->fsck.build_index = true;
            break;
        case 'j':
            a->format = FSCK_JSON;
            break;
        case 't':
            threads = strtoul(optarg, &end, 10);
            if (*end != '\0' || threads < 1 || threads > FSCK_THREADS_MAX)
                return wrong("--threads takes a number from 1 to 64, not ", optarg);
            a->fsck.threads = (unsigned)threads;
            break;
        case 'p':
            a->progress = FSCK_PROGRESS_ON;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_CLEAN);
        case 'v':
            puts("dolmen-fsck " DOLMEN_VERSION);
            exit(EXIT_CLEAN);
        default:
            return wrong("an option isn't known or lacks its value", "");
        }
    }
    if ((a->dev != NULL) + (a->config != NULL) + (optind < argc) > 1)
        return wrong("the drives are named twice: give --dev, or --config, or the drives", "");
    for (int i = optind; i < argc; i++) {
        if (a->fsck.drive_count == FORMAT_DRIVES_MAX)
            return wrong("too many drives: ", argv[i]);
        a->fsck.drives[a->fsck.drive_count++] = argv[i];
    }
    return 0;
}

/* In the order of slabs, whoever has walked them. */
static void tell(struct fsck *f, struct fsck_slab *walked)
{
    pthread_mutex_lock(&f->telling);
    walked->walked = true;
    while (f->next_told < f->slab_count && f->slabs[f->next_told]->walked)
        fsck_lines_say(f->report, &f->slabs[f->next_told++]->lines);
    pthread_mutex_unlock(&f->telling);
}

static void *worker(void *arg)
{
    struct fsck *f = arg;
    struct fsck_walker *w;
    uint64_t total = f->slab_count * (uint64_t)(f->sb.k + f->sb.m) * f->sb.extent_bytes;
    enum dol_err err = fsck_walker_new(f, &w);
    for (;;) {
        size_t i = atomic_fetch_add(&f->next_slab, 1);
        if (i >= f->slab_count)
            break;
        if (err != DOL_OK)
            f->slabs[i]->err = err;
        else
            fsck_slab_walk(w, f->slabs[i]);
        tell(f, f->slabs[i]);
        fsck_progress_show(f->report, "reading", atomic_load(&f->bytes_done), total);
    }
    if (err == DOL_OK)
        fsck_walker_free(w);
    return NULL;
}

static enum dol_err walk_slabs(struct fsck *f)
{
    pthread_t threads[FSCK_THREADS_MAX];
    unsigned started = 0;
    pthread_mutex_init(&f->telling, NULL);
    while (started < f->options.threads && pthread_create(&threads[started], NULL, worker, f) == 0)
        started++;
    if (started == 0)
        worker(f);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&f->telling);
    for (size_t i = 0; i < f->slab_count; i++)
        if (f->slabs[i]->err != DOL_OK)
            return f->slabs[i]->err;
    return DOL_OK;
}

static void print_figures(struct fsck *f)
{
    const struct fsck_totals *t = &f->totals;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < f->drive_count; i++)
        bytes += atomic_load(&f->drives[i].bytes_read);
    fsck_figure(f->report, "drives", f->drive_count);
    fsck_figure(f->report, "slabs", f->slab_count);
    fsck_figure(f->report, "rows", t->rows);
    fsck_figure(f->report, "rows_repairable", t->rows_repairable);
    fsck_figure(f->report, "rows_lost", t->rows_lost);
    fsck_figure(f->report, "units_bad", t->units_bad);
    fsck_figure(f->report, "units_rewritten", t->units_rewritten);
    fsck_figure(f->report, "bytes_read", bytes);
    if (!f->can_open)
        return;
    fsck_figure(f->report, "records", t->records);
    fsck_figure(f->report, "buckets", t->buckets);
    fsck_figure(f->report, "versions", t->versions);
    fsck_figure(f->report, "versions_damaged", t->versions_damaged);
    fsck_figure(f->report, "delete_markers", t->delete_markers);
    fsck_figure(f->report, "uploads", t->uploads);
    fsck_figure(f->report, "object_bytes", t->object_bytes);
    fsck_figure(f->report, "chunks", t->chunks);
    fsck_figure(f->report, "chunk_bytes", t->chunk_bytes);
    fsck_figure(f->report, "chunks_unreferenced", t->chunks_unreferenced);
    fsck_figure(f->report, "chunk_lists", t->lists);
    if (f->index_fd < 0)
        return;
    fsck_figure(f->report, "index_entries", t->index_entries);
    fsck_figure(f->report, "index_wrong", t->index_wrong);
    fsck_figure(f->report, "index_records_behind", t->index_behind);
}

static int verdict(struct fsck *f)
{
    uint64_t lost = fsck_report_count(f->report, FSCK_LOST), repairable = fsck_report_count(f->report, FSCK_REPAIRABLE),
             repaired = fsck_report_count(f->report, FSCK_REPAIRED);
    if ((f->index_aside || f->index_built) && f->totals.index_wrong > 0) /* all that was wrong with it in one go */
        repaired += f->totals.index_wrong - 1;
    print_figures(f);
    if (lost > 0) {
        fsck_report_end(f->report, "something is wrong that can't be repaired with what is at hand", EXIT_LEFT);
        return EXIT_LEFT;
    }
    if (repairable > repaired) {
        fsck_report_end(f->report,
                        f->options.mode == FSCK_REPAIR ? "not all could be repaired"
                                                       : "damaged, and repairable: run with --repair",
                        EXIT_LEFT);
        return EXIT_LEFT;
    }
    if (repaired > 0) {
        fsck_report_end(f->report, "repaired", EXIT_CORRECTED);
        return EXIT_CORRECTED;
    }
    fsck_report_end(f->report, f->can_open ? "clean" : "clean as far as can be seen without the key", EXIT_CLEAN);
    return EXIT_CLEAN;
}

static int run(struct fsck *f)
{
    enum dol_err err = fsck_drives_open(f);
    if (err == DOL_OK)
        err = fsck_slabs_find(f);
    if (err == DOL_OK)
        err = walk_slabs(f);
    if (err == DOL_OK) {
        fsck_verdicts(f);
        err = fsck_objects_check(f);
    }
    if (err == DOL_OK)
        err = fsck_index_check(f);
    if (err == DOL_OK && f->options.mode == FSCK_REPAIR) {
        fsck_superblocks_repair(f);
        fsck_rows_repair(f);
    }
    if (err == DOL_OK && f->options.build_index)
        fsck_index_build(f);
    else if (err == DOL_OK && f->options.mode == FSCK_REPAIR)
        fsck_index_repair(f);
    if (err == DOL_OK)
        return verdict(f);
    fprintf(stderr, "dolmen-fsck: %s\n", dol_err_text(err));
    return EXIT_OPERATION;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    a.fsck.threads = cores < 1 ? 1 : cores > (long)FSCK_THREADS_MAX ? FSCK_THREADS_MAX : (unsigned)cores;
    int status = parse(argc, argv, &a);
    if (status == 0)
        status = add_paths(&a);
    if (status == 0 && a.fsck.drive_count == 0)
        status = wrong("no drives are given", "");
    if (status == 0 && a.fsck.build_index && a.fsck.index_dir == NULL)
        status = wrong("--rebuild-index needs to know where the index lies: --index DIR", "");
    struct fsck *f = calloc(1, sizeof *f);
    if (status == 0 && f != NULL) {
        for (unsigned i = 0; i < FORMAT_DRIVES_MAX; i++)
            f->drives[i].fd = -1;
        f->index_fd = -1;
        f->options = a.fsck;
        f->report = fsck_report_new(a.format, a.progress);
        status = f->report ? run(f) : EXIT_OPERATION;
        fsck_slabs_free(f);
        fsck_index_close(f);
        fsck_drives_close(f);
        if (f->report != NULL)
            fsck_report_free(f->report);
    }
    free(f);
    fsck_paths_free(&a.paths);
    return status;
}
