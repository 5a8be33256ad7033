using System.Runtime.InteropServices;
using System.Text;

namespace PodCheckpointing.Unit.Storage;

internal static class TestCalls
{
    public sealed record Status(uint Type, (uint, uint) Owner, ulong Inode, ulong Blocks, (uint, uint) Device);

    /// <summary>statx(2), which has the same layout on every machine; does not follow a link.</summary>
    public static Status Stat(string path)
    {
        var buffer = new byte[256];
        if (statx(-100, Encoding.UTF8.GetBytes(path + "\0"), 0x100, 0x7ff, buffer) != 0)
        {
            throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        return new Status(
            BitConverter.ToUInt16(buffer, 28) & 0xf000u,
            (BitConverter.ToUInt32(buffer, 20), BitConverter.ToUInt32(buffer, 24)),
            BitConverter.ToUInt64(buffer, 32),
            BitConverter.ToUInt64(buffer, 48),
            (BitConverter.ToUInt32(buffer, 128), BitConverter.ToUInt32(buffer, 132)));
    }

    [DllImport("libc", SetLastError = true)]
    public static extern nint getxattr(byte[] path, byte[] name, byte[] value, nint size);

    [DllImport("libc", SetLastError = true)]
    private static extern int statx(int folder, byte[] path, int flags, uint mask, byte[] buffer);
}
