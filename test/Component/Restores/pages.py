# A process whose memory somebody else is to bring, and that somebody, as CRIU's restore and its daemon are.
#   pages.py FOLDER [lazy-pages]    the daemon, which holds the userfaultfd and brings nothing; its child is the process.
# The child stops itself; continued, it reads a page and writes what it read to FOLDER/read.
import array, ctypes, mmap, os, signal, socket, struct, sys

folder = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
number = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
UFFDIO_API, UFFDIO_REGISTER, SIZE = 0xC018AA3F, 0xC020AA00, 1 << 20


def note(name, text):
    with open(f"{folder}/{name}.new", "w") as file:
        file.write(str(text))
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")


# A process as the handler writes it down: its number, the boot and its beginning.
def identity():
    with open("/proc/self/stat") as stat, open("/proc/sys/kernel/random/boot_id") as boot:
        return f"{os.getpid()} {boot.read().strip()} {stat.read().rsplit(')', 1)[1].split()[19]}"


here, there = socket.socketpair()
child = os.fork()
if child == 0:
    os.setsid()
    uffd = libc.syscall(number, os.O_CLOEXEC)
    address = libc.mmap(None, SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    import fcntl
    fcntl.ioctl(uffd, UFFDIO_API, struct.pack("QQQ", 0xAA, 0, 0))
    fcntl.ioctl(uffd, UFFDIO_REGISTER, struct.pack("QQQQ", address, SIZE, 1, 0))
    there.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [uffd]))])
    os.close(uffd)
    note("pid", identity())
    os.kill(os.getpid(), signal.SIGSTOP)
    note("read", ctypes.string_at(address + 4096, 1)[0])
    os._exit(0)

there.close()
data, ancillary, _, _ = here.recvmsg(1, socket.CMSG_SPACE(4))
note("lazy-pid", identity())
signal.pause()
