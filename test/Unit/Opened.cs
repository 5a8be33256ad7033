using System.Runtime.InteropServices;
using System.Text;

namespace PodCheckpointing.Unit;

/// <summary>Which of some files and folders are opened, and what is renamed in them, in order (inotify(7)). fsync(2)
/// itself cannot be seen, but who calls it has to open what is synced.</summary>
internal sealed class Opened : IDisposable
{
    private const uint Open = 0x20;
    private const uint MovedTo = 0x80;
    private readonly int _queue = inotify_init1(0x800);
    private readonly Dictionary<int, string> _watched = [];

    public Opened(params string[] paths)
    {
        foreach (var path in paths)
        {
            var watch = inotify_add_watch(_queue, Encoding.UTF8.GetBytes(path + "\0"), Open | MovedTo);
            if (watch < 0)
            {
                throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
            }

            _watched[watch] = path;
        }
    }

    /// <summary>The paths so far; of what is renamed "to " before it.</summary>
    public List<string> Read()
    {
        var seen = new List<string>();
        var events = new byte[64 << 10];
        for (nint length; (length = read(_queue, events, events.Length)) > 0;)
        {
            for (var at = 0; at < length;)
            {
                var path = _watched[BitConverter.ToInt32(events, at)];
                var size = BitConverter.ToInt32(events, at + 12);
                var name = Encoding.UTF8.GetString(events, at + 16, size).TrimEnd('\0');
                seen.Add(
                    (BitConverter.ToUInt32(events, at + 4) & MovedTo) != 0 ? $"to {Path.Combine(path, name)}"
                    : name.Length > 0 ? Path.Combine(path, name) : path);
                at += 16 + size;
            }
        }

        return seen;
    }

    public void Dispose() => _ = close(_queue);

    [DllImport("libc", SetLastError = true)]
    private static extern int inotify_init1(int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int inotify_add_watch(int queue, byte[] path, uint mask);

    [DllImport("libc", SetLastError = true)]
    private static extern nint read(int file, byte[] buffer, nint length);

    [DllImport("libc", SetLastError = true)]
    private static extern int close(int file);
}
