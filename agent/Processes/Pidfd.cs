using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Agent.Processes;

/// <summary>A process by a descriptor (pidfd_open(2)), which is never that of another one: it tells when the process
/// has ended, and has descriptors of it copied (pidfd_getfd(2)).</summary>
internal sealed partial class Pidfd : IDisposable
{
    // The same on all architectures.
    private const long PidfdOpen = 434;
    private const long PidfdGetfd = 438;

    private readonly SafeFileHandle _process;

    private Pidfd(SafeFileHandle process) => _process = process;

    /// <summary>Of a process that is there; null where it has gone.</summary>
    public static Pidfd? Open(int pid)
    {
        var process = new SafeFileHandle((nint)syscall(PidfdOpen, pid, 0, 0), ownsHandle: true);
        return process.IsInvalid ? null : new Pidfd(process);
    }

    /// <summary>A copy of a descriptor of the process; an invalid one, where
    /// <see cref="Marshal.GetLastPInvokeError"/> says why.</summary>
    public SafeFileHandle Copy(int number) =>
        new((nint)syscall(PidfdGetfd, _process.DangerousGetHandle(), number, 0), ownsHandle: true);

    /// <summary>Whether the process has ended, or does so in time.</summary>
    /// <param name="milliseconds">How long it is waited for; less than 0: until it has, or a signal interrupts.</param>
    public bool HasEnded(int milliseconds)
    {
        var ask = new PollRequest { Descriptor = (int)_process.DangerousGetHandle(), Events = 1 };
        return poll(ref ask, 1, milliseconds) > 0;
    }

    public void Dispose() => _process.Dispose();

    [LibraryImport("libc", SetLastError = true)]
    private static partial long syscall(long number, nint first, nint second, nint third);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollRequest request, nuint count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        public int Descriptor;
        public short Events;
        public short Found;
    }
}
