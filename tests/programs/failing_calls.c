/* System calls that fail: loaded with LD_PRELOAD, steered by failing_calls.py through ctypes.

   Each call on a file below `folder` is counted; the one with number `at` fails with `code`, and
   with `lasting` all after it. Other files are left alone. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

static char folder[4096];
static long calls, at;
static int code, lasting;
static char ours[65536]; /* descriptors of files below the folder */

void watch(const char *path) { strncpy(folder, path, sizeof folder - 1); }
void arm(long number, int error, int all_after) {
  calls = 0, at = number, code = error, lasting = all_after;
}
long disarm(void) {
  long made = calls;
  calls = 0, at = -1;
  return made;
}

static int below(const char *path) { return *folder && path && strstr(path, folder) == path; }
static int is_ours(int fd) { return fd >= 0 && fd < (int)sizeof ours && ours[fd]; }
static int fails(int watched) {
  if (!watched || at < 0) return 0;
  calls++;
  if (at == 0 || calls < at || (calls > at && !lasting)) return 0;
  errno = code;
  return 1;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static int opened(int fd, int watched) {
  if (fd >= 0 && fd < (int)sizeof ours) ours[fd] = watched;
  return fd;
}
#define OPEN(name)                                                        \
  int name(const char *path, int flags, ...) {                            \
    va_list more;                                                         \
    va_start(more, flags);                                                \
    mode_t mode = va_arg(more, mode_t);                                   \
    va_end(more);                                                         \
    if (fails(below(path))) return -1;                                    \
    return opened(REAL(int, #name, const char *, int, mode_t)(path, flags, mode), below(path)); \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  int failing = fails(is_ours(fd)), error = errno;
  opened(fd, 0);
  int found = REAL(int, "close", int)(fd); /* a failing close has closed the file all the same */
  if (!failing) return found;
  errno = error;
  return -1;
}

#define ON_FILE(type, name, parameters, types, arguments)                 \
  type name parameters {                                                  \
    if (fails(is_ours(fd))) return -1;                                    \
    return ((type(*) types)dlsym(RTLD_NEXT, #name)) arguments;            \
  }
#define ON_PATH(type, name, parameters, types, arguments)                 \
  type name parameters {                                                  \
    if (fails(below(path))) return -1;                                    \
    return ((type(*) types)dlsym(RTLD_NEXT, #name)) arguments;            \
  }
ON_FILE(ssize_t, read, (int fd, void *a, size_t n), (int, void *, size_t), (fd, a, n))
ON_FILE(ssize_t, write, (int fd, const void *a, size_t n), (int, const void *, size_t), (fd, a, n))
ON_FILE(int, fsync, (int fd), (int), (fd))
ON_FILE(off_t, lseek, (int fd, off_t n, int from), (int, off_t, int), (fd, n, from))
ON_FILE(off_t, lseek64, (int fd, off_t n, int from), (int, off_t, int), (fd, n, from))
ON_FILE(int, fstat, (int fd, struct stat *s), (int, struct stat *), (fd, s))
ON_FILE(int, fstat64, (int fd, struct stat64 *s), (int, struct stat64 *), (fd, s))
ON_PATH(int, stat, (const char *path, struct stat *s), (const char *, struct stat *), (path, s))
ON_PATH(int, stat64, (const char *path, struct stat64 *s), (const char *, struct stat64 *), (path, s))
ON_PATH(int, lstat, (const char *path, struct stat *s), (const char *, struct stat *), (path, s))
ON_PATH(int, lstat64, (const char *path, struct stat64 *s), (const char *, struct stat64 *), (path, s))
ON_PATH(int, access, (const char *path, int how), (const char *, int), (path, how))
ON_PATH(int, chmod, (const char *path, mode_t mode), (const char *, mode_t), (path, mode))
ON_PATH(int, chown, (const char *path, uid_t u, gid_t g), (const char *, uid_t, gid_t), (path, u, g))
ON_PATH(int, unlink, (const char *path), (const char *), (path))
ON_PATH(int, rename, (const char *path, const char *to), (const char *, const char *), (path, to))
ON_PATH(int, link, (const char *path, const char *to), (const char *, const char *), (path, to))
ON_PATH(ssize_t, listxattr, (const char *path, char *a, size_t n), (const char *, char *, size_t), (path, a, n))
DIR *opendir(const char *path) {
  if (fails(below(path))) return NULL;
  return REAL(DIR *, "opendir", const char *)(path);
}
