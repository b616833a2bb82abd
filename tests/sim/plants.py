"""
The bugs that planted.py plants, and what has to catch each: `bound` seeds, or the crash states of sim_run --exhaustive or --reclaim.
An edit is (file, text that is there exactly once, text that takes its place).
"""

APPEND = "engine/slab/append.c"
COMMIT = "engine/index/commit.c"
DELETE = "engine/store/delete.c"
FREE = "engine/slab/free.c"
GC = "engine/store/gc.c"
GRAVES = "engine/index/graves.c"
JUDGE = "engine/slab/judge.c"
OBJECT_META = "engine/store/object_meta.c"
OPENER = "engine/chunk/opener.c"
READ = "engine/slab/read.c"
RECOVER = "engine/slab/recover.c"
REPLAY = "engine/slab/replay.c"
SLAB = "engine/slab/slab.c"
UPLOADS = "engine/index/apply_uploads.c"
VERDICT = "engine/index/verdict.c"
VERSION = "engine/store/version.c"


def plant(name, *edits, bound=200, by="seeds"):
    return {"name": name, "edits": edits, "bound": bound, "by": by}


PLANTS = [
    # Writers are answered, and the records shown, before the row is written.
    plant(
        "acknowledged-early",
        (APPEND, "    err = slab_write_members(a->pool, slab, slab->end_block, a->row.units, unit_bytes);\n    if (err != DOL_OK)\n        return err;\n\n    slab->rows++;",
         "    uint32_t row_block = slab->end_block;\n    slab->rows++;"),
        (APPEND, "    atomic_fetch_add(&a->pool->counters.drive_bytes_written, unit_bytes * (unsigned)(slab->k + slab->m));\n    return DOL_OK;",
         """    if (row_flags == 0) {
        appender_publish(a);
        for (struct list_node *node; (node = list_pop_front(taken_on[a->loop])) != NULL;)
            group_finish(group_of(node), DOL_OK);
    }
    return slab_write_members(a->pool, slab, row_block, a->row.units, unit_bytes);"""),
        (APPEND, "            directory_row_add(&a->directory, &directory.place);\n        appender_publish(a);",
         "            directory_row_add(&a->directory, &directory.place);\n        if (with_directory)\n            appender_publish(a);"),
        (APPEND, "        enum dol_err err = take_groups(a, &taken);\n",
         "        enum dol_err err = take_groups(a, &taken);\n        taken_on[a->loop] = &taken;\n"),
        (APPEND, "/* ---- packing ---- */",
         """static struct list_node *taken_on[64];
void appender_publish(struct appender *a);
static struct append_group *group_of(struct list_node *node);
static void group_finish(struct append_group *g, enum dol_err err);"""),
    ),
    # k of k + m units are durable: good enough.
    plant("write-quorum",
          (SLAB, "        err = ops[i].err;\n    }\n    return err;",
           "        err = ++failed > slab->m || ops[i].err == DOL_ESTOPPED ? ops[i].err : err;\n    }\n    return err;"),
          (SLAB, "    join_wait(&join);\n    for (unsigned i = 0; i < members; i++) {\n        if (ops[i].err == DOL_OK)\n            continue;\n        struct pool_drive",
           "    join_wait(&join);\n    unsigned failed = 0;\n    for (unsigned i = 0; i < members; i++) {\n        if (ops[i].err == DOL_OK)\n            continue;\n        struct pool_drive"), bound=600),
    # The records of a row that could not be written are not carried over, and yet acknowledged.
    plant("row-not-carried-over", (APPEND, "        err = carry_over(a, err);", "        err = err == DOL_ESTOPPED ? err : DOL_OK;")),
    # Recovery ends a slab at the first row with a bad unit header.
    plant("stops-at-bad-row",
          (JUDGE, "        if (probe.good == 0)\n            break;",
           "        if (probe.good + probe.unreadable < (unsigned)(s->slab->k + s->slab->m))\n            break;")),
    # The same, where a member is missing.
    plant("stops-at-short-row",
          (JUDGE, "        if (probe.good == 0)\n            break;", "        if (probe.good < (unsigned)(s->slab->k + s->slab->m))\n            break;")),
    # A last row of which too little was written counts.
    plant("torn-row-good",
          (JUDGE, "    if (row.good < s->slab->k) {", "    if (row.good == 0) {"),
          ),
    # A valid, short last row is dropped.
    plant("short-row-dropped",
          (JUDGE, "    if (row.good < s->slab->k) {", "    if (row.good < members) {")),
    # The verdict on a slab whose row was carried over isn't written.
    plant("verdict-lost-on-failure",
          (APPEND, "    enum dol_err err = appender_pack(a, verdict);\n    if (err == DOL_OK) {", "    enum dol_err err = DOL_OK;\n    if (true) {"),
          (APPEND, "        struct append_record *last = a->packed[a->packed_count - 1];\n        memmove(a->packed + 1, a->packed, (a->packed_count - 1) * sizeof *a->packed);\n        a->packed[0] = last;\n", "")),
    # A last row with k units is shown without a verdict that carries it.
    plant("row-again-without-verdict",
          (RECOVER, "    if (err == DOL_OK)\n        add_verdict(&v, r, s);\n    uint32_t offset = 0;", "    uint32_t offset = 0;")),
    # Replay takes slab after slab, and the index applies in the order of arrival.
    plant("replay-by-slab",
          (REPLAY, "            } else if (best == NULL || lsn_compare(p->records[p->next].lsn, best->records[best->next].lsn) < 0) {",
           "            } else if (best == NULL) {"),
          (COMMIT, "        qsort(g->records, g->count, sizeof g->records[0], record_sort_lsn);", "        (void)record_sort_lsn;"),
          ),
    # Rows leave the overlay before they are applied.
    plant("overlay-trimmed-early",
          (COMMIT, "    list_for_each_safe(n, next, &ix->applied)\n    {\n        struct pending_row *row = container_of(n, struct pending_row, list);\n        if (!views_are_gone(ix, row->tag))\n            break;\n        if (",
           """    list_for_each(n, &ix->pending) overlay_mark(container_of(n, struct pending_row, list)->nodes);
    if (!list_is_empty(&ix->pending))
        overlay_sweep(&ix->overlay);
    list_for_each_safe(n, next, &ix->applied)
    {
        struct pending_row *row = container_of(n, struct pending_row, list);
        if (!views_are_gone(ix, row->tag))
            break;
        if (""")),
    # Positions move with rows whose records are not all applied.
    plant("position-ahead",
          (COMMIT, "        bool ready = lsn_compare(row->highest, bound) <= 0;", "        bool ready = true;")),
    # Sealed records are believed without their tag.
    plant("tag-not-checked",
          (OPENER, "           EVP_DecryptFinal_ex(cipher, body + body_bytes, &final) == 1 && final == 0;", "           final == 0;")),
    # Unsealed records are believed without their CRC.
    plant("record-crc-not-checked",
          (OPENER, "o->keys != NULL || !record_trailer_ok(record, plain, header.body_bytes, plain + header.body_bytes)", "o->keys != NULL")),
    # A delete doesn't count as needed by what it cancels: compaction drops it.
    plant("delete-dropped",
          (GRAVES, "    if (err != DOL_OK || grave->canceller_kind == 0)\n        return err;\n    const struct canceller c = {grave->canceller_kind, grave->canceller, grave->canceller_place};\n    return cancel_add(a, &c, &(struct grave_ref){slab, lsn});",
           "    return err;"), by="reclaim"),
    # Compaction drops deletes, whatever the books say.
    plant("delete-dropped-against-books",
          (VERDICT, "        out->verdict = out->grave_count > 0 ? INDEX_KEEP : INDEX_DROP;", "        out->verdict = INDEX_DROP;")),
    # A slab's headers go before its records are copied.
    plant("freed-before-copied",
          (GC, "    if (err == DOL_OK)\n        err = compact_slab(&c);", "    if (err == DOL_OK)\n        c.records_moved = 0;"),
          (GC, "    if (err == DOL_OK)\n        err = check_empty(gc, slab);", "    (void)check_empty;")),
    # One member's header stays when a slab is freed.
    plant("header-left",
          (FREE, "        memset(buffers[i], 0, err == DOL_OK ? SECTOR_BYTES : EXTENT_HEADER_BYTES);",
           "        if (i > 0)\n            memset(buffers[i], 0, err == DOL_OK ? SECTOR_BYTES : EXTENT_HEADER_BYTES);")),
    # The condition is looked at before the gate only.
    plant("condition-outside-gate",
          (VERSION, "    err = condition_check(c->condition, found);\n    if (err == DOL_OK)\n        err = lock_check",
           "    err = lock_check")),
    # Gates keep nobody out.
    plant("no-gate",
          (VERSION, "    enum dol_err err = gates_enter_key(s->gates, c->manifest->bucket, c->manifest->key, &gate);\n    if (err != DOL_OK)\n        return err;\n    err = version_commit_gated(s, c, versioning);",
           "    enum dol_err err = version_commit_gated(s, c, versioning);"),
          (VERSION, "    gates_leave(s->gates, &gate);\n", "    (void)gate;\n")),
    # An aborted upload keeps its references.
    plant("abort-keeps-references",
          (UPLOADS, "        if (err == DOL_OK)\n            err = part_release(a, payload, rec->lsn);\n        if (err == DOL_OK)\n            err = schema_err(mdb_cursor_del(mc, 0));",
           "        if (err == DOL_OK)\n            err = schema_err(mdb_cursor_del(mc, 0));")),
    # A part that is sent again keeps the references of the first.
    plant("part-again-keeps-references",
          (UPLOADS, "    if (err == DOL_OK)\n        err = part_release(a, payload, rec->lsn);\n    else if (err == DOL_ENOTFOUND)",
           "    if (err == DOL_ENOTFOUND)")),
    # A version under lock is removed.
    plant("lock-not-asked",
          (DELETE, "!retention_allows(&m.retention, RETENTION_ACT_DESTROY, right, pool_compliance_now_s(s->pool))",
           "right > RETENTION_RIGHT_BYPASS_GOVERNANCE")),
    # A change of tags loses the lock.
    plant("tags-drop-the-lock",
          (OBJECT_META, "                                    .retention = m->retention,\n", "")),
    # Compaction drops tags and locks of versions.
    plant("meta-dropped",
          (VERDICT, "        return judge_by(j, row.meta_lsn, &row.meta_place);", "        return judge_void(j);")),
]
