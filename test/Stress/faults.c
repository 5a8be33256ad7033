/* Fails the n-th call of this process on files below a folder: preloaded, it stands before libc's functions.
   lseek is not among them: on a file it cannot fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static char below[512];
static size_t below_length;
static atomic_long calls, failing;
static atomic_int armed, and_all_after, error_number;
static const char *volatile failed_call = "";
static char only[64];

/* Counts from now on; the n-th call fails with that errno, and with and_after all after it. 0: none fails. */
void faults_arm(const char *folder, long n, int error, int and_after)
{
	snprintf(below, sizeof below, "%s", folder);
	below_length = strlen(below);
	calls = 0;
	failing = n;
	error_number = error;
	and_all_after = and_after;
	failed_call = "";
	only[0] = 0;
	armed = 1;
}

/* Until the next arming, only calls of that name count. */
void faults_only(const char *name) { snprintf(only, sizeof only, "%s", name); }

/* Stops counting; how many calls there were. */
long faults_disarm(void) { armed = 0; return calls; }

/* The function that failed first. */
const char *faults_failed(void) { return failed_call; }

static int is_path(const char *path) { return armed && path && strncmp(path, below, below_length) == 0; }

static int is_file(int fd)
{
	char link[64], path[1024];
	long length;
	if (!armed)
		return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = syscall(SYS_readlink, link, path, sizeof path - 1);
	if (length < 0)
		return 0;
	path[length] = 0;
	return is_path(path);
}

static int fails(const char *name)
{
	if (*only && strcmp(only, name))
		return 0;
	long n = ++calls;
	if (failing == 0 || (n != failing && !(and_all_after && n > failing)))
		return 0;
	if (!*failed_call)
		failed_call = name;
	errno = error_number;
	return 1;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define PATH1(name, ...) int name(const char *a) { REAL(int, #name, const char *); return is_path(a) && fails(#name) ? -1 : real(a); }
#define PATH_MODE(name) int name(const char *a, mode_t m) { REAL(int, #name, const char *, mode_t); return is_path(a) && fails(#name) ? -1 : real(a, m); }
#define PATH_STAT(name, type) int name(const char *a, type *s) { REAL(int, #name, const char *, type *); return is_path(a) && fails(#name) ? -1 : real(a, s); }
#define PATH_XSTAT(name, type) int name(int v, const char *a, type *s) { REAL(int, #name, int, const char *, type *); return is_path(a) && fails(#name) ? -1 : real(v, a, s); }
#define FD1(name) int name(int fd) { REAL(int, #name, int); return is_file(fd) && fails(#name) ? -1 : real(fd); }
#define FD_STAT(name, type) int name(int fd, type *s) { REAL(int, #name, int, type *); return is_file(fd) && fails(#name) ? -1 : real(fd, s); }
#define FD_XSTAT(name, type) int name(int v, int fd, type *s) { REAL(int, #name, int, int, type *); return is_file(fd) && fails(#name) ? -1 : real(v, fd, s); }
#define OPEN(name) int name(const char *a, int flags, ...) { va_list l; mode_t m; REAL(int, #name, const char *, int, ...); \
	va_start(l, flags); m = va_arg(l, mode_t); va_end(l); return is_path(a) && fails(#name) ? -1 : real(a, flags, m); }
#define OPENAT(name) int name(int d, const char *a, int flags, ...) { va_list l; mode_t m; REAL(int, #name, int, const char *, int, ...); \
	va_start(l, flags); m = va_arg(l, mode_t); va_end(l); return is_path(a) && fails(#name) ? -1 : real(d, a, flags, m); }
#define FCNTL(name) int name(int fd, int c, ...) { va_list l; void *p; REAL(int, #name, int, int, ...); \
	va_start(l, c); p = va_arg(l, void *); va_end(l); return is_file(fd) && fails(#name) ? -1 : real(fd, c, p); }
#define IO(name, buffer) ssize_t name(int fd, buffer b, size_t n, off64_t o) { REAL(ssize_t, #name, int, buffer, size_t, off64_t); \
	return is_file(fd) && fails(#name) ? -1 : real(fd, b, n, o); }
#define STREAM(name, buffer) ssize_t name(int fd, buffer b, size_t n) { REAL(ssize_t, #name, int, buffer, size_t); \
	return is_file(fd) && fails(#name) ? -1 : real(fd, b, n); }
#define TRUNCATE(name) int name(int fd, off64_t n) { REAL(int, #name, int, off64_t); return is_file(fd) && fails(#name) ? -1 : real(fd, n); }

OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)
PATH1(unlink) PATH1(rmdir) PATH_MODE(mkdir) PATH_MODE(chmod)
int access(const char *a, int m) { REAL(int, "access", const char *, int); return is_path(a) && fails("access") ? -1 : real(a, m); }
PATH_STAT(stat, struct stat) PATH_STAT(lstat, struct stat) PATH_STAT(stat64, struct stat64) PATH_STAT(lstat64, struct stat64)
PATH_XSTAT(__xstat, struct stat) PATH_XSTAT(__lxstat, struct stat) PATH_XSTAT(__xstat64, struct stat64) PATH_XSTAT(__lxstat64, struct stat64)
FD_STAT(fstat, struct stat) FD_STAT(fstat64, struct stat64) FD_XSTAT(__fxstat, struct stat) FD_XSTAT(__fxstat64, struct stat64)
FD_STAT(fstatfs, struct statfs) FD_STAT(fstatfs64, struct statfs64)
FD1(fsync) FD1(fdatasync) FCNTL(fcntl) FCNTL(fcntl64) TRUNCATE(ftruncate) TRUNCATE(ftruncate64)
IO(pwrite, const void *) IO(pwrite64, const void *) IO(pread, void *) IO(pread64, void *) STREAM(write, const void *) STREAM(read, void *)

int flock(int fd, int how) { REAL(int, "flock", int, int); return is_file(fd) && fails("flock") ? -1 : real(fd, how); }

int rename(const char *a, const char *b)
{
	REAL(int, "rename", const char *, const char *);
	return is_path(a) && fails("rename") ? -1 : real(a, b);
}

/* What fails has closed its descriptor all the same, as in Linux. */
int close(int fd)
{
	REAL(int, "close", int);
	int ours = is_file(fd), result = real(fd);
	return ours && fails("close") ? -1 : result;
}

int posix_fadvise(int fd, off_t o, off_t n, int advice)
{
	REAL(int, "posix_fadvise", int, off_t, off_t, int);
	return is_file(fd) && fails("posix_fadvise") ? errno : real(fd, o, n, advice);
}

int posix_fadvise64(int fd, off64_t o, off64_t n, int advice)
{
	REAL(int, "posix_fadvise64", int, off64_t, off64_t, int);
	return is_file(fd) && fails("posix_fadvise64") ? errno : real(fd, o, n, advice);
}

int sync_file_range(int fd, off64_t o, off64_t n, unsigned flags)
{
	REAL(int, "sync_file_range", int, off64_t, off64_t, unsigned);
	/* SYNC_FILE_RANGE_WAIT_AFTER: such a call takes a write-back error away from the fsync that follows. */
	return is_file(fd) && fails(flags & 4 ? "sync_file_range waiting" : "sync_file_range") ? -1 : real(fd, o, n, flags);
}

DIR *opendir(const char *a) { REAL(DIR *, "opendir", const char *); return is_path(a) && fails("opendir") ? NULL : real(a); }

static struct dirent *entry_of(DIR *d, struct dirent *(*real)(DIR *), const char *name) { return is_file(dirfd(d)) && fails(name) ? NULL : real(d); }

struct dirent *readdir(DIR *d) { REAL(struct dirent *, "readdir", DIR *); return entry_of(d, real, "readdir"); }

struct dirent64 *readdir64(DIR *d)
{
	REAL(struct dirent *, "readdir64", DIR *);
	return (struct dirent64 *)entry_of(d, real, "readdir64");
}
