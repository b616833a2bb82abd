/* Stands in for libFuzzer where it is not available: feeds each file of the given corpus folders to the fuzz target. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    struct stat st;
    uint8_t *buf = NULL;
    size_t len = 0;
    if (fstat(fileno(f), &st) == 0) {
        len = (size_t)st.st_size;
        /* exact allocation: ASan sees one byte too far */
        buf = malloc(len ? len : 1);
    }
    if (buf == NULL || fread(buf, 1, len, f) != len) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(buf);
        fclose(f);
        return 1;
    }
    fclose(f);
    LLVMFuzzerTestOneInput(buf, len);
    free(buf);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long inputs = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **names;
        int n = scandir(argv[i], &names, NULL, alphasort);
        if (n < 0) {
            perror(argv[i]);
            return 1;
        }
        for (int j = 0; j < n; j++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], names[j]->d_name);
            if (names[j]->d_name[0] != '.') {
                if (replay_file(path) != 0)
                    return 1;
                inputs++;
            }
            free(names[j]);
        }
        free(names);
    }
    if (inputs == 0) {
        fprintf(stderr, "no inputs: give at least one folder with files\n");
        return 1;
    }
    printf("%lu inputs replayed\n", inputs);
    return 0;
}
