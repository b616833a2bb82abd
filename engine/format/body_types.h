/*
 * TLV types and limits of record bodies. A type number belongs to its kind for ever and is never given a second
 * meaning; what a type holds is said in docs/format.md. Limits are part of the format: an encoder refuses what a
 * decoder would.
 */
#ifndef DOL_BODY_TYPES_H
#define DOL_BODY_TYPES_H

/* ---- limits ---- */

#define CHUNK_BYTES_MAX     (1u << 20) /* plain bytes of one chunk */
#define LIST_CHUNKS_MAX     4096u      /* per chunk list record */
#define MANIFEST_CHUNKS_MAX 64u        /* references inline in a manifest or part; more go through chunk lists */
#define MANIFEST_LISTS_MAX  7168u      /* chunk lists of one manifest or part */

#define MANIFEST_PARTS_MAX            10000u
#define MANIFEST_HEADER_BYTES_MAX     4096u  /* one standard header's value */
#define MANIFEST_METADATA_BYTES_MAX   16384u /* user metadata as encoded, TLV headers included */
#define MANIFEST_TAGS_MAX             50u
#define MANIFEST_TAGS_BYTES_MAX       16384u /* as encoded */
#define MANIFEST_SSE_BYTES_MAX        1024u
#define MANIFEST_TEMPLATE_BYTES_MAX   131072u /* of an upload */
#define TAG_NAME_BYTES_MAX            512u    /* 128 characters of UTF-8 */
#define TAG_VALUE_BYTES_MAX           1024u   /* 256 characters of UTF-8 */
#define OWNER_BYTES_MAX               256u
#define BUCKET_NAME_BYTES_MAX         255u
#define BUCKET_REGION_BYTES_MAX       64u
#define BUCKET_SETTINGS_MAX           64u /* documents of one bucket */
#define BUCKET_SETTING_NAME_BYTES_MAX 64u
#define BUCKET_SETTINGS_BYTES_MAX     524288u /* all documents as encoded */
#define DELETE_GRAVES_MAX             64u     /* records that a delete names */
#define MOVED_RECORDS_MAX             16384u  /* of one row, that a moved record speaks of */
#define BUCKET_DEFAULT_YEARS_MAX      100u    /* of default retention */
#define SETTING_NAME_BYTES_MAX        512u
#define SETTING_VALUE_BYTES_MAX       524288u

#define DIRECTORY_RECORD_BYTES_MAX  (1u << 20) /* one directory record's body */
#define DIRECTORY_ENTRY_FIXED_BYTES 44u
/* A chunk's body: two TLV headers, the hash, the data. */
#define CHUNK_BODY_BYTES_MAX (8u + 32u + 8u + CHUNK_BYTES_MAX)
/* Any other body must fit into one directory entry. */
#define BODY_BYTES_MAX (DIRECTORY_RECORD_BYTES_MAX - 8u - DIRECTORY_ENTRY_FIXED_BYTES)

/* ---- types ---- */

enum { CHUNK_T_HASH = 1, CHUNK_T_DATA = 2 };

enum { CHUNK_LIST_T_HASH = 1, CHUNK_LIST_T_REFS = 2 };

enum {
    MANIFEST_T_BUCKET = 1,
    MANIFEST_T_KEY = 2,
    MANIFEST_T_VERSION = 3,
    MANIFEST_T_FLAGS = 4,
    MANIFEST_T_REPLACES = 5,
    MANIFEST_T_OWNER = 6,
    MANIFEST_T_MTIME = 7,
    MANIFEST_T_SIZE = 8,
    MANIFEST_T_ETAG = 9,
    MANIFEST_T_HEADERS = 10, /* 10 + enum object_header, up to 16 */
    MANIFEST_T_META = 20,    /* may repeat */
    MANIFEST_T_TAGS = 21,
    MANIFEST_T_RETENTION = 22,
    MANIFEST_T_STORAGE_CLASS = 23,
    MANIFEST_T_CHECKSUM = 24,
    MANIFEST_T_PARTS = 25,
    MANIFEST_T_UPLOAD_ID = 26,
    MANIFEST_T_SSE = 27,
    MANIFEST_T_CHUNK_REFS = 28,
    MANIFEST_T_LIST_REFS = 29
};

enum { DELETE_T_BUCKET = 1, DELETE_T_KEY = 2, DELETE_T_VERSION = 3, DELETE_T_GRAVES = 4 };

enum {
    OBJECT_META_T_BUCKET = 1,
    OBJECT_META_T_KEY = 2,
    OBJECT_META_T_VERSION = 3,
    OBJECT_META_T_RETENTION = 4,
    OBJECT_META_T_TAGS = 5,
    OBJECT_META_T_STORAGE_CLASS = 6,
    OBJECT_META_T_RESTORED_UNTIL = 7
};

enum {
    BUCKET_T_ID = 1,
    BUCKET_T_NAME = 2,
    BUCKET_T_OWNER = 3,
    BUCKET_T_CREATED = 4,
    BUCKET_T_REGION = 5,
    BUCKET_T_VERSIONING = 6,
    BUCKET_T_FLAGS = 7,
    BUCKET_T_DEFAULT_RETENTION = 8,
    BUCKET_T_SETTINGS = 9,
    BUCKET_T_DEFAULT_YEARS = 10
};

enum { BUCKET_DELETE_T_ID = 1 };

enum {
    UPLOAD_T_BUCKET = 1,
    UPLOAD_T_KEY = 2,
    UPLOAD_T_UPLOAD_ID = 3,
    UPLOAD_T_OWNER = 4,
    UPLOAD_T_INITIATOR = 5,
    UPLOAD_T_CREATED = 6,
    UPLOAD_T_CHECKSUM_ALG = 7,
    UPLOAD_T_CHECKSUM_TYPE = 8,
    UPLOAD_T_MANIFEST = 9
};

enum {
    UPLOAD_PART_T_BUCKET = 1,
    UPLOAD_PART_T_KEY = 2,
    UPLOAD_PART_T_UPLOAD_ID = 3,
    UPLOAD_PART_T_PART = 4,
    UPLOAD_PART_T_MTIME = 5,
    UPLOAD_PART_T_CHUNK_REFS = 6,
    UPLOAD_PART_T_LIST_REFS = 7
};

enum { UPLOAD_END_T_BUCKET = 1, UPLOAD_END_T_KEY = 2, UPLOAD_END_T_UPLOAD_ID = 3, UPLOAD_END_T_COMPLETED = 4 };

enum { END_T_SLAB = 1, END_T_LIFE = 2, END_T_ROWS = 3, END_T_END_BLOCK = 4 };

enum { FREED_T_SLAB = 1, FREED_T_LIFE = 2, FREED_T_GENERATION = 3 };

enum { DEBT_T_DRIVE = 1, DEBT_T_SLAB = 2, DEBT_T_LIFE = 3, DEBT_T_SETTLED = 4 };

enum { MOVED_T_SLAB = 1, MOVED_T_LIFE = 2, MOVED_T_COUNT = 3 };

enum { SETTING_T_NAME = 1, SETTING_T_VALUE = 2 };

enum { DIRECTORY_T_ENTRIES = 1 };

#endif
