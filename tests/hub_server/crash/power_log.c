/* Writes down, in order, what a process does to the files below one folder: loaded before the C library (LD_PRELOAD).
 *
 * POWER_ROOT is the folder, POWER_LOG the file that is written. A record is a line, and for a write the bytes after it.
 * Each call and its record are made under one lock, so that the order of records is the order of effects. Calls that
 * are not here are not written down; whoever reads the log compares what it gives with the folder itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -2;
static char root[PATH_MAX];
static size_t root_length;

#define REAL(result, name, ...)                                   \
    static result (*real_##name)(__VA_ARGS__);                    \
    if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name)

static ssize_t plain_write(const void *data, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    const char *place = data;
    size_t left = length;
    while (left) {
        ssize_t done = real_write(out, place, left);
        if (done < 0) abort();
        place += done;
        left -= done;
    }
    return length;
}

static int ready(void) {
    if (out == -2) {
        out = -1;
        const char *folder = getenv("POWER_ROOT"), *file = getenv("POWER_LOG");
        if (folder && file) {
            REAL(int, open, const char *, int, ...);
            strncpy(root, folder, sizeof root - 1);
            root_length = strlen(root);
            out = real_open(file, O_CREAT | O_APPEND | O_WRONLY, 0600);
        }
    }
    return out >= 0;
}

static void note(const char *form, ...) {
    char line[3 * PATH_MAX];
    va_list rest;
    va_start(rest, form);
    int length = vsnprintf(line, sizeof line, form, rest);
    va_end(rest);
    plain_write(line, length);
}

/* The absolute path, if it lies below the folder. */
static const char *below(int at, const char *path, char *whole) {
    if (!ready() || !path) return NULL;
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s", path);
    } else {
        char link[64], base[PATH_MAX];
        if (at == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return NULL;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return NULL;
            base[length] = 0;
        }
        snprintf(whole, PATH_MAX, "%s/%s", base, path);
    }
    return strncmp(whole, root, root_length) == 0 && (whole[root_length] == '/' || !whole[root_length]) ? whole : NULL;
}

/* Whether a descriptor is of a file below the folder, also one that has no name any more; its inode. */
static int mine(int descriptor, struct stat *status) {
    char link[64], path[PATH_MAX];
    if (!ready() || fstat(descriptor, status)) return 0;
    if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || !path[root_length]);
}

static unsigned long number_of(const char *path) {
    struct stat status;
    return lstat(path, &status) ? 0 : status.st_ino;
}

void power_mark(const char *text) {
    pthread_mutex_lock(&lock);
    if (ready()) note("K %s\n", text);
    pthread_mutex_unlock(&lock);
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    REAL(int, openat, int, const char *, int, ...);
    char whole[PATH_MAX];
    pthread_mutex_lock(&lock);
    const char *name = below(at, path, whole);
    int there = name && access(name, F_OK) == 0;
    int result = real_openat(at, path, flags, mode);
    int failed = errno;
    if (result >= 0 && name && (flags & O_CREAT) && !there) note("C %lu %s\n", number_of(name), name);
    else if (result >= 0 && name && (flags & O_TRUNC)) note("T %lu 0\n", number_of(name));
    errno = failed;
    pthread_mutex_unlock(&lock);
    return result;
}

#define MODE                                        \
    mode_t mode = 0;                                \
    if (flags & (O_CREAT | O_TMPFILE)) {            \
        va_list rest;                               \
        va_start(rest, flags);                      \
        mode = va_arg(rest, mode_t);                \
        va_end(rest);                               \
    }

int open(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags | O_LARGEFILE, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static off_t place_of(int descriptor, const struct stat *status) {
    return fcntl(descriptor, F_GETFL) & O_APPEND ? status->st_size : lseek(descriptor, 0, SEEK_CUR);
}

static void wrote(const struct stat *status, off_t place, const struct iovec *pieces, int count, ssize_t length) {
    note("W %lu %lld %zd\n", (unsigned long)status->st_ino, (long long)place, length);
    for (int i = 0; i < count && length > 0; i++) {
        ssize_t part = (ssize_t)pieces[i].iov_len < length ? (ssize_t)pieces[i].iov_len : length;
        plain_write(pieces[i].iov_base, part);
        length -= part;
    }
}

#define WRITING(call, where)                                             \
    struct stat status;                                                  \
    if (descriptor == out || !mine(descriptor, &status)) return call;    \
    pthread_mutex_lock(&lock);                                           \
    fstat(descriptor, &status);                                          \
    off_t place = where;                                                 \
    ssize_t result = call;                                               \
    int failed = errno;                                                  \
    if (result > 0) wrote(&status, place, pieces, count, result);        \
    errno = failed;                                                      \
    pthread_mutex_unlock(&lock);                                         \
    return result

ssize_t write(int descriptor, const void *data, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    struct iovec pieces[1] = {{(void *)data, length}};
    int count = 1;
    WRITING(real_write(descriptor, data, length), place_of(descriptor, &status));
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    WRITING(real_writev(descriptor, pieces, count), place_of(descriptor, &status));
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    struct iovec pieces[1] = {{(void *)data, length}};
    int count = 1;
    WRITING(real_pwrite64(descriptor, data, length, at), at);
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t at) { return pwrite64(descriptor, data, length, at); }

int ftruncate64(int descriptor, off64_t size) {
    REAL(int, ftruncate64, int, off64_t);
    struct stat status;
    if (!mine(descriptor, &status)) return real_ftruncate64(descriptor, size);
    pthread_mutex_lock(&lock);
    int result = real_ftruncate64(descriptor, size);
    int failed = errno;
    if (result == 0) note("T %lu %lld\n", (unsigned long)status.st_ino, (long long)size);
    errno = failed;
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

#define SYNCING(name)                                                        \
    int name(int descriptor) {                                               \
        REAL(int, name, int);                                                \
        struct stat status;                                                  \
        if (!mine(descriptor, &status)) return real_##name(descriptor);      \
        pthread_mutex_lock(&lock);                                           \
        note("S %lu\n", (unsigned long)status.st_ino);                       \
        pthread_mutex_unlock(&lock);                                         \
        return 0; /* the log is the disk here: waiting for the real one proves nothing */ \
    }
SYNCING(fsync)
SYNCING(fdatasync)

#define NAMING(call, ...)                           \
    pthread_mutex_lock(&lock);                      \
    int result = call;                              \
    int failed = errno;                             \
    if (result == 0) { __VA_ARGS__; }               \
    errno = failed;                                 \
    pthread_mutex_unlock(&lock);                    \
    return result

int renameat(int from, const char *old, int to, const char *new) {
    REAL(int, renameat, int, const char *, int, const char *);
    char one[PATH_MAX], two[PATH_MAX];
    const char *source = below(from, old, one), *target = below(to, new, two);
    if (!source && !target) return real_renameat(from, old, to, new);
    if (!source || !target) abort();
    NAMING(real_renameat(from, old, to, new), note("R %s\t%s\n", source, target));
}
int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    char one[PATH_MAX], two[PATH_MAX];
    const char *source = below(from, old, one), *target = below(to, new, two);
    if (!source && !target) return real_linkat(from, old, to, new, flags);
    if (!source || !target) abort();
    NAMING(real_linkat(from, old, to, new, flags), note("L %s\t%s\n", source, target));
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int at, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    char whole[PATH_MAX];
    const char *name = below(at, path, whole);
    if (!name) return real_unlinkat(at, path, flags);
    NAMING(real_unlinkat(at, path, flags), note("U %s\n", name));
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    REAL(int, mkdirat, int, const char *, mode_t);
    char whole[PATH_MAX];
    const char *name = below(at, path, whole);
    if (!name) return real_mkdirat(at, path, mode);
    NAMING(real_mkdirat(at, path, mode), note("M %lu %s\n", number_of(name), name));
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
