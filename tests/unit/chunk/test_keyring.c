/* Key files and keyrings: what is accepted, what is refused, and with which error. */
#include "hash.h"
#include "keyring.h"
#include "keyring_keys.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct uuid POOL = {
    {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0xff}};
static const struct uuid OTHER = {{9}};
static const struct uuid ANY;

static struct master_key key_counting(void)
{
    struct master_key key;
    for (unsigned i = 0; i < sizeof key.b; i++)
        key.b[i] = (uint8_t)i;
    return key;
}

#define POOL_LINE   "pool 101112131415161718191a1b1c1d1eff\n"
#define MASTER_LINE "master 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define CHECK_LINE  "check 620ee91d\n"
#define GOOD        "dolmen-key 1\n" POOL_LINE MASTER_LINE CHECK_LINE
#define UNENDED     "dolmen-key 1\n" POOL_LINE MASTER_LINE "check 620ee91d"
#define COMMENTED   "# first\n\ndolmen-key 1\n# x\n" POOL_LINE "\n   \n" MASTER_LINE "#\n" CHECK_LINE "# last\n\n"
#define UPPER_CASE                                                                                                     \
    "dolmen-key 1\r\npool 101112131415161718191A1B1C1D1EFF \r\n"                                                       \
    "master 000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\t\r\ncheck 620ee91d\r\n"

static enum dol_err parse(const char *text, struct uuid pool, struct master_key *out)
{
    /* exact allocation: ASan sees one byte too far */
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    enum dol_err err = keyfile_parse(bytes_of(copy, len), pool, out);
    free(copy);
    return err;
}

static void test_parse_accepts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        GOOD,
        UNENDED,
        COMMENTED,
        UPPER_CASE,
    };
    struct master_key expected = key_counting();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct master_key key = {{0}};
        assert_int_equal(parse(texts[i], POOL, &key), DOL_OK);
        assert_memory_equal(key.b, expected.b, sizeof key.b);
        assert_int_equal(parse(texts[i], ANY, &key), DOL_OK);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "# only a comment",
        "dolmen-key 1\n",
        "dolmen-key 2\n" POOL_LINE MASTER_LINE CHECK_LINE,
        " dolmen-key 1\n" POOL_LINE MASTER_LINE CHECK_LINE,
        POOL_LINE MASTER_LINE CHECK_LINE,
        "dolmen-key 1\n" MASTER_LINE POOL_LINE CHECK_LINE,
        "dolmen-key 1\n" POOL_LINE MASTER_LINE,
        "dolmen-key 1\n" POOL_LINE CHECK_LINE,
        GOOD CHECK_LINE,
        GOOD "more\n",
        "dolmen-key 1\npool  101112131415161718191a1b1c1d1eff\n" MASTER_LINE CHECK_LINE,
        "dolmen-key 1\npool 101112131415161718191a1b1c1d1ef\n" MASTER_LINE CHECK_LINE,
        "dolmen-key 1\npool 101112131415161718191a1b1c1d1eff0\n" MASTER_LINE CHECK_LINE,
        "dolmen-key 1\npool 101112131415161718191a1b1c1d1efg\n" MASTER_LINE CHECK_LINE,
        "dolmen-key 1\npool 101112131415161718191a1b1c1d1efe\n" MASTER_LINE CHECK_LINE,
        "dolmen-key 1\n" POOL_LINE
        "master 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1e\n" CHECK_LINE,
        "dolmen-key 1\n" POOL_LINE MASTER_LINE "check 00000000\n",
        "dolmen-key 1\n" POOL_LINE MASTER_LINE "check \n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct master_key key = {{0x77}};
        assert_int_equal(parse(texts[i], POOL, &key), DOL_ESYNTAX);
        assert_int_equal(key.b[0], 0x77);
    }
    struct master_key key = {{0x77}};
    assert_int_equal(parse(GOOD, OTHER, &key), DOL_EKEY);
    assert_int_equal(key.b[0], 0x77);
    /* a NUL inside is not an end */
    static const char with_nul[] = GOOD "\0";
    assert_int_equal(keyfile_parse(bytes_of(with_nul, sizeof with_nul - 1), POOL, &key), DOL_ESYNTAX);
}

struct folder {
    char path[64];
    char file[96];
};

static void folder_init(struct folder *f)
{
    snprintf(f->path, sizeof f->path, "keyring-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->file, sizeof f->file, "%s/pool.key", f->path);
}

static void folder_fini(struct folder *f)
{
    unlink(f->file);
    assert_int_equal(rmdir(f->path), 0);
}

static void test_file_round_trip(void **state)
{
    (void)state;
    struct folder f;
    folder_init(&f);
    struct master_key key = key_counting();
    struct master_key back;
    mode_t mask = umask(0);
    assert_int_equal(keyfile_create(f.file, POOL, &key), DOL_OK);
    umask(mask);
    struct stat st;
    assert_int_equal(stat(f.file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(keyfile_read(f.file, POOL, &back), DOL_OK);
    assert_memory_equal(back.b, key.b, sizeof key.b);
    assert_int_equal(keyfile_read(f.file, OTHER, &back), DOL_EKEY);

    /* one that is there stays as it is */
    struct master_key other = {{1}};
    assert_int_equal(keyfile_create(f.file, POOL, &other), DOL_EEXIST);
    assert_int_equal(keyfile_read(f.file, ANY, &back), DOL_OK);
    assert_memory_equal(back.b, key.b, sizeof key.b);
    folder_fini(&f);
}

static void test_file_errors(void **state)
{
    (void)state;
    struct folder f;
    folder_init(&f);
    struct master_key key = key_counting();
    assert_int_equal(keyfile_read(f.file, POOL, &key), DOL_ENOTFOUND);
    assert_int_equal(keyfile_read(f.path, POOL, &key), DOL_ESYNTAX);
    assert_int_equal(keyfile_create("no/such/folder/key", POOL, &key), DOL_ENOTFOUND);
    assert_int_equal(keyfile_create(f.file, POOL, &key), DOL_OK);
    static const mode_t open_modes[] = {0640, 0604, 0620, 0601};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        assert_int_equal(chmod(f.file, open_modes[i]), 0);
        assert_int_equal(keyfile_read(f.file, POOL, &key), DOL_EPERM);
    }
    assert_int_equal(chmod(f.file, 0600), 0);
    folder_fini(&f);
}

/* A good key file, lengthened by a comment to len bytes. */
static void write_padded(const char *path, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(fwrite(GOOD, 1, sizeof GOOD - 1, file), sizeof GOOD - 1);
    for (size_t i = sizeof GOOD - 1; i < len; i++)
        assert_int_equal(fputc('#', file), '#');
    assert_int_equal(fclose(file), 0);
}

static void test_file_size_limit(void **state)
{
    (void)state;
    struct folder f;
    folder_init(&f);
    struct master_key key;
    write_padded(f.file, 4096);
    assert_int_equal(keyfile_read(f.file, POOL, &key), DOL_OK);
    write_padded(f.file, 4097);
    assert_int_equal(keyfile_read(f.file, POOL, &key), DOL_ESYNTAX);
    write_padded(f.file, 1 << 20);
    assert_int_equal(keyfile_read(f.file, POOL, &key), DOL_ESYNTAX);
    folder_fini(&f);
}

static void superblock_init(struct superblock *sb, const struct master_key *master)
{
    *sb = (struct superblock){.pool = POOL};
    master_key_check(master, POOL, sb->key_check);
}

static void test_key_check_is_the_definition(void **state)
{
    (void)state;
    struct master_key key = key_counting();
    uint8_t check[16];
    char hex[33];
    master_key_check(&key, POOL, check);
    hex_encode(check, sizeof check, hex);
    assert_string_equal(hex, "4a141e7053c9c55134fc1006d474bcc9");
}

static void test_keyring(void **state)
{
    (void)state;
    struct master_key master = key_counting();
    struct superblock sb;
    struct keyring *k;
    superblock_init(&sb, &master);
    assert_int_equal(keyring_open(&master, &sb, &k), DOL_EKEY);
    assert_null(k);
    for (uint32_t id = 1; id <= SUPERBLOCK_KEYS_MAX; id++) {
        assert_int_equal(keyring_new_key(&master, &sb), DOL_OK);
        assert_int_equal(sb.key_count, id);
        assert_int_equal(sb.keys[id - 1].id, id);
        assert_int_equal(sb.keys[id - 1].wrap_alg, FORMAT_WRAP_AES256KW);
        assert_true(sb.keys[id - 1].created_s > 1700000000);
    }
    assert_int_equal(keyring_new_key(&master, &sb), DOL_EBUSY);
    assert_int_equal(sb.key_count, SUPERBLOCK_KEYS_MAX);

    assert_int_equal(keyring_open(&master, &sb, &k), DOL_OK);
    assert_int_equal(keyring_current(k), SUPERBLOCK_KEYS_MAX);
    assert_null(keyring_find(k, 0));
    assert_null(keyring_find(k, SUPERBLOCK_KEYS_MAX + 1));
    for (uint32_t a = 1; a <= SUPERBLOCK_KEYS_MAX; a++)
        for (uint32_t b = 1; b < a; b++)
            assert_memory_not_equal(keyring_find(k, a), keyring_find(k, b), DATA_KEY_BYTES);
    keyring_free(k);
    keyring_free(NULL);
}

/* RFC 3394 section 4.6: 256 bits of key data with a 256-bit key. */
static void test_wrap_is_rfc_3394(void **state)
{
    (void)state;
    struct master_key master = key_counting();
    struct superblock sb;
    superblock_init(&sb, &master);
    sb.key_count = 1;
    sb.keys[0] = (struct superblock_key){.id = 7, .wrap_alg = FORMAT_WRAP_AES256KW};
    assert_true(hex_decode("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21", 80,
                           sb.keys[0].wrapped, 40));
    uint8_t expected[32];
    assert_true(hex_decode("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f", 64, expected, 32));
    struct keyring *k;
    assert_int_equal(keyring_open(&master, &sb, &k), DOL_OK);
    assert_int_equal(keyring_current(k), 7);
    assert_memory_equal(keyring_find(k, 7), expected, 32);
    keyring_free(k);

    /* any bit of the wrap, another master key, another pool, an unknown wrap */
    for (unsigned bit = 0; bit < 320; bit++) {
        sb.keys[0].wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(keyring_open(&master, &sb, &k), DOL_EKEY);
        assert_null(k);
        sb.keys[0].wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    struct master_key wrong = master;
    wrong.b[31] ^= 1;
    assert_int_equal(keyring_open(&wrong, &sb, &k), DOL_EKEY);
    sb.keys[0].wrap_alg = 2;
    assert_int_equal(keyring_open(&master, &sb, &k), DOL_EFORMAT);
    sb.keys[0].wrap_alg = FORMAT_WRAP_AES256KW;
    sb.pool = OTHER;
    assert_int_equal(keyring_open(&master, &sb, &k), DOL_EKEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_accepts),   cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_file_round_trip), cmocka_unit_test(test_file_errors),
        cmocka_unit_test(test_file_size_limit), cmocka_unit_test(test_key_check_is_the_definition),
        cmocka_unit_test(test_keyring),         cmocka_unit_test(test_wrap_is_rfc_3394),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
