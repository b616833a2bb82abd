/*
 * See fsck_lmdb.h. A tree is walked depth first; each page may be met once in all trees, so no damage leads in circles.
 * Keys have to ascend, and to lie at or above the key that led to their page.
 */
#include "fsck_lmdb.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "le.h"

#define META_PAGES     2u
#define META_MAGIC     0xbeefc0deu
#define META_VERSION   1u
#define PAGE_BYTES_MIN 512u
#define PAGE_BYTES_MAX 65536u
#define NODE_BYTES     8u
#define KEY_BYTES_MAX  511u
#define DEPTH_MAX      32u
#define TREES_MAX      64u
#define NAME_BYTES_MAX 32u
#define NO_PAGE        UINT64_MAX

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8, PAGE_KIND = 0x2f };
enum { NODE_BIG = 1, NODE_TREE = 2, NODE_KNOWN = 3 };

struct page_head {
    struct le64 number;
    struct le16 pad;
    struct le16 flags;
    struct le16 lower; /* overflow: with upper, the number of pages */
    struct le16 upper;
};
struct tree_head {
    struct le32 page_bytes; /* in the first of a meta page */
    struct le16 flags;
    struct le16 depth;
    struct le64 branch_pages, leaf_pages, overflow_pages, entries, root;
};
struct meta {
    struct page_head head;
    struct le32 magic;
    struct le32 version;
    struct le64 address;
    struct le64 map_bytes;
    struct tree_head trees[2];
    struct le64 last_page;
    struct le64 transaction;
};
_Static_assert(sizeof(struct page_head) == 16 && sizeof(struct tree_head) == 48 && sizeof(struct meta) == 152,
               "LMDB's layout");

struct tree {
    char name[NAME_BYTES_MAX];
    uint64_t root, entries;
};

struct level {
    uint8_t *page;
    unsigned at, count;
};

struct key {
    size_t len;
    uint8_t b[KEY_BYTES_MAX];
};

struct fsck_lmdb {
    int fd;
    fsck_lmdb_bad_fn *bad;
    void *arg;
    uint32_t page_bytes;
    uint64_t file_bytes, last_page, bytes_read;
    uint8_t *met; /* a bit for each page */
    uint8_t *big; /* value on overflow pages */
    size_t big_capacity;
    struct level levels[DEPTH_MAX];
    struct key last, floor; /* of the walk: the last key, and what the next may not be below */
    bool any;               /* there is a last key */
    uint64_t entries;
    struct tree trees[TREES_MAX];
    unsigned tree_count;
};

/* ---- bytes ---- */

static bool read_at(struct fsck_lmdb *m, uint64_t offset, void *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(m->fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    m->bytes_read += len;
    return true;
}

/* A page that may be read, and hasn't been yet. */
static bool meet(struct fsck_lmdb *m, uint64_t page)
{
    if (page < META_PAGES || page > m->last_page) {
        m->bad(m->arg, page, "is named and lies outside of the file");
        return false;
    }
    if ((m->met[page / 8] & 1u << page % 8) != 0) {
        m->bad(m->arg, page, "is named twice");
        return false;
    }
    m->met[page / 8] = (uint8_t)(m->met[page / 8] | 1u << page % 8);
    return true;
}

static uint16_t u16_at(const uint8_t *p)
{
    struct le16 v;
    memcpy(&v, p, sizeof v);
    return le16_get(v);
}

static uint64_t u64_at(const uint8_t *p)
{
    struct le64 v;
    memcpy(&v, p, sizeof v);
    return le64_get(v);
}

/* ---- pages ---- */

struct node {
    uint64_t child; /* branch */
    uint32_t data_bytes;
    uint16_t flags;
    struct bytes key;
    const uint8_t *data;
};

static bool node_at(const struct fsck_lmdb *m, const struct level *l, unsigned i, bool leaf, struct node *out)
{
    size_t at = u16_at(l->page + sizeof(struct page_head) + 2 * (size_t)i);
    size_t begin = sizeof(struct page_head) + 2 * (size_t)l->count;
    if (at < begin || at + NODE_BYTES > m->page_bytes)
        return false;
    const uint8_t *p = l->page + at;
    uint32_t low = u16_at(p), high = u16_at(p + 2);
    *out = (struct node){.flags = u16_at(p + 4), .data_bytes = low | high << 16};
    size_t key_len = u16_at(p + 6), left = m->page_bytes - at - NODE_BYTES;
    if (key_len > KEY_BYTES_MAX || key_len > left)
        return false;
    out->key = bytes_of(p + NODE_BYTES, key_len);
    out->data = p + NODE_BYTES + key_len;
    left -= key_len;
    if (!leaf) {
        out->child = out->data_bytes | (uint64_t)out->flags << 32;
        return true;
    }
    return (out->flags & ~NODE_KNOWN) == 0 && ((out->flags & NODE_BIG) != 0 ? left >= 8 : out->data_bytes <= left);
}

/* Loads a page of a tree into a level. */
static bool load(struct fsck_lmdb *m, unsigned depth, uint64_t page, bool *leaf)
{
    struct level *l = &m->levels[depth];
    struct page_head head;
    if (!meet(m, page))
        return false;
    if (l->page == NULL && (l->page = malloc(m->page_bytes)) == NULL) {
        m->bad(m->arg, page, "can't be read: no memory");
        return false;
    }
    if (!read_at(m, page * m->page_bytes, l->page, m->page_bytes)) {
        m->bad(m->arg, page, "can't be read");
        return false;
    }
    memcpy(&head, l->page, sizeof head);
    unsigned kind = le16_get(head.flags) & PAGE_KIND, lower = le16_get(head.lower), upper = le16_get(head.upper);
    if (le64_get(head.number) != page || (kind != PAGE_BRANCH && kind != PAGE_LEAF) || lower < sizeof head ||
        lower % 2 != 0 || lower > upper || upper > m->page_bytes) {
        m->bad(m->arg, page, "is not a page of a tree");
        return false;
    }
    *leaf = kind == PAGE_LEAF;
    l->at = 0;
    l->count = (unsigned)(lower - sizeof head) / 2;
    if (l->count == 0 || (!*leaf && l->count < 2)) {
        m->bad(m->arg, page, "holds nothing");
        return false;
    }
    return true;
}

static bool load_big(struct fsck_lmdb *m, const struct node *n, struct bytes *value)
{
    struct page_head head;
    uint64_t first = u64_at(n->data);
    uint64_t pages = (sizeof head + (uint64_t)n->data_bytes + m->page_bytes - 1) / m->page_bytes;
    for (uint64_t i = 0; i < pages; i++)
        if (first > NO_PAGE - pages || !meet(m, first + i))
            return false;
    if (m->big_capacity < n->data_bytes) {
        free(m->big);
        m->big = malloc(n->data_bytes);
        m->big_capacity = m->big != NULL ? n->data_bytes : 0;
    }
    if (m->big == NULL || !read_at(m, first * m->page_bytes, &head, sizeof head) ||
        !read_at(m, first * m->page_bytes + sizeof head, m->big, n->data_bytes)) {
        m->bad(m->arg, first, "can't be read");
        return false;
    }
    if (le64_get(head.number) != first || (le16_get(head.flags) & PAGE_KIND) != PAGE_OVERFLOW ||
        (le16_get(head.lower) | (uint32_t)le16_get(head.upper) << 16) < pages) {
        m->bad(m->arg, first, "is not the page of a long value");
        return false;
    }
    *value = bytes_of(m->big, n->data_bytes);
    return true;
}

/* ---- trees ---- */

static void key_copy(struct key *k, struct bytes from)
{
    k->len = from.len;
    if (from.len > 0)
        memcpy(k->b, from.data, from.len);
}

/* A key that comes next in the walk: above all before, and not below what led here. */
static bool in_order(const struct fsck_lmdb *m, struct bytes key)
{
    return (!m->any || bytes_compare(key, bytes_of(m->last.b, m->last.len)) > 0) &&
           bytes_compare(key, bytes_of(m->floor.b, m->floor.len)) >= 0;
}

typedef void node_fn(struct fsck_lmdb *m, uint64_t page, const struct node *n, struct bytes value, void *arg);

static void visit(struct fsck_lmdb *m, const struct node *n, uint64_t page, node_fn *fn, void *arg)
{
    struct bytes value = bytes_of(n->data, n->data_bytes);
    if (!in_order(m, n->key))
        m->bad(m->arg, page, "has a key out of order");
    m->any = true;
    key_copy(&m->last, n->key);
    m->entries++;
    if ((n->flags & NODE_BIG) == 0 || load_big(m, n, &value))
        fn(m, page, n, value, arg);
}

static void walk_leaf(struct fsck_lmdb *m, const struct level *l, node_fn *fn, void *arg)
{
    struct node n;
    uint64_t page = u64_at(l->page);
    for (unsigned i = 0; i < l->count; i++) {
        if (node_at(m, l, i, true, &n))
            visit(m, &n, page, fn, arg);
        else
            m->bad(m->arg, page, "has an entry outside of itself");
    }
}

/* The next child of a branch; false: there is none. */
static bool next_child(struct fsck_lmdb *m, struct level *l, uint64_t *child)
{
    struct node n;
    while (l->at < l->count) {
        unsigned i = l->at++;
        if (!node_at(m, l, i, false, &n)) {
            m->bad(m->arg, u64_at(l->page), "has an entry outside of itself");
            continue;
        }
        if (i > 0) {
            if (!in_order(m, n.key))
                m->bad(m->arg, u64_at(l->page), "has a key out of order");
            key_copy(&m->floor, n.key);
        }
        *child = n.child;
        return true;
    }
    return false;
}

static void walk_tree(struct fsck_lmdb *m, uint64_t root, node_fn *fn, void *arg)
{
    unsigned depth = 0;
    bool leaf;
    m->any = false;
    m->floor.len = 0;
    m->entries = 0;
    if (root == NO_PAGE || !load(m, 0, root, &leaf))
        return;
    if (leaf) {
        walk_leaf(m, &m->levels[0], fn, arg);
        return;
    }
    for (;;) {
        uint64_t child;
        if (!next_child(m, &m->levels[depth], &child)) {
            if (depth-- == 0)
                return;
            continue;
        }
        if (depth + 1 == DEPTH_MAX) {
            m->bad(m->arg, child, "lies too deep");
            continue;
        }
        if (!load(m, depth + 1, child, &leaf))
            continue;
        if (leaf)
            walk_leaf(m, &m->levels[depth + 1], fn, arg);
        else
            depth++;
    }
}

static void add_tree(struct fsck_lmdb *m, uint64_t page, const struct node *n, struct bytes value, void *arg)
{
    struct tree_head head;
    (void)arg;
    if (n->flags != NODE_TREE || value.len != sizeof head || n->key.len == 0 || n->key.len >= NAME_BYTES_MAX ||
        m->tree_count == TREES_MAX) {
        m->bad(m->arg, page, "of the main tree names what is no tree");
        return;
    }
    memcpy(&head, value.data, sizeof head);
    struct tree *t = &m->trees[m->tree_count++];
    memcpy(t->name, n->key.data, n->key.len);
    t->name[n->key.len] = '\0';
    t->root = le64_get(head.root);
    t->entries = le64_get(head.entries);
}

struct walk {
    fsck_lmdb_entry_fn *entry;
    void *arg;
};

static void give(struct fsck_lmdb *m, uint64_t page, const struct node *n, struct bytes value, void *arg)
{
    const struct walk *w = arg;
    (void)m;
    (void)page;
    w->entry(w->arg, n->key, value);
}

bool fsck_lmdb_walk(struct fsck_lmdb *m, const char *name, fsck_lmdb_entry_fn *entry, void *arg)
{
    struct walk w = {entry, arg};
    for (unsigned i = 0; i < m->tree_count; i++) {
        if (strcmp(m->trees[i].name, name) != 0)
            continue;
        walk_tree(m, m->trees[i].root, give, &w);
        if (m->entries != m->trees[i].entries)
            m->bad(m->arg, m->trees[i].root, "is the root of a tree that has not as many entries as it says");
        return true;
    }
    return false;
}

/* ---- opening ---- */

static bool meta_is_good(const struct fsck_lmdb *m, const struct meta *meta)
{
    uint64_t last = le64_get(meta->last_page);
    return (le16_get(meta->head.flags) & PAGE_KIND) == PAGE_META && le32_get(meta->magic) == META_MAGIC &&
           le32_get(meta->version) == META_VERSION && le32_get(meta->trees[0].page_bytes) == m->page_bytes &&
           last >= 1 && last < m->file_bytes / m->page_bytes;
}

/* The newer of the two that are there. Both have to be good: of one that isn't nobody knows whether it was newer. */
static enum dol_err read_metas(struct fsck_lmdb *m, struct meta *best)
{
    struct meta metas[META_PAGES];
    if (!read_at(m, 0, &metas[0], sizeof metas[0]))
        return DOL_ECORRUPT;
    m->page_bytes = le32_get(metas[0].trees[0].page_bytes);
    if (m->page_bytes < PAGE_BYTES_MIN || m->page_bytes > PAGE_BYTES_MAX || (m->page_bytes & (m->page_bytes - 1)) != 0)
        return DOL_ECORRUPT;
    if (!read_at(m, m->page_bytes, &metas[1], sizeof metas[1]))
        return DOL_ECORRUPT;
    if (!meta_is_good(m, &metas[0]) || !meta_is_good(m, &metas[1]))
        return DOL_ECORRUPT;
    *best = le64_get(metas[1].transaction) > le64_get(metas[0].transaction) ? metas[1] : metas[0];
    return DOL_OK;
}

enum dol_err fsck_lmdb_open(int fd, fsck_lmdb_bad_fn *bad, void *arg, struct fsck_lmdb **out)
{
    struct stat st;
    struct meta meta;
    struct fsck_lmdb *m = calloc(1, sizeof *m);
    if (m == NULL)
        return DOL_ENOMEM;
    m->fd = fd;
    m->bad = bad;
    m->arg = arg;
    enum dol_err err = fstat(fd, &st) == 0 ? DOL_OK : DOL_EIO;
    if (err == DOL_OK) {
        m->file_bytes = (uint64_t)st.st_size;
        err = read_metas(m, &meta);
    }
    if (err == DOL_OK) {
        m->last_page = le64_get(meta.last_page);
        m->met = calloc(1, (size_t)(m->last_page / 8 + 1));
        err = m->met != NULL ? DOL_OK : DOL_ENOMEM;
    }
    if (err != DOL_OK) {
        fsck_lmdb_free(m);
        return err;
    }
    walk_tree(m, le64_get(meta.trees[1].root), add_tree, NULL);
    *out = m;
    return DOL_OK;
}

void fsck_lmdb_free(struct fsck_lmdb *m)
{
    for (unsigned i = 0; i < DEPTH_MAX; i++)
        free(m->levels[i].page);
    free(m->met);
    free(m->big);
    free(m);
}

uint64_t fsck_lmdb_bytes_read(const struct fsck_lmdb *m)
{
    return m->bytes_read;
}

uint64_t fsck_lmdb_bytes(const struct fsck_lmdb *m)
{
    return m->file_bytes;
}
