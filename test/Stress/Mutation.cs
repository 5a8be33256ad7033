using System.Text;

namespace PodCheckpointing.Stress;

/// <summary>Damages bytes, by the numbers of a seed.</summary>
internal sealed class Mutation(Random random)
{
    private static readonly string[] Numbers =
    [
        "0",
        "-1",
        "1",
        "7",
        "00000000000",
        "77777777777",
        "2147483647",
        "2147483648",
        "-2147483649",
        "9223372036854775807",
        "99999999999999999999",
        "1e400",
        "0.5",
    ];

    /// <summary>A few changes of any kind.</summary>
    public byte[] Of(byte[] whole, string[] words)
    {
        var bytes = new List<byte>(whole);
        for (var changes = random.Next(1, 6); changes > 0; changes--)
        {
            Change(bytes, words);
        }

        return [.. bytes];
    }

    private void Change(List<byte> bytes, string[] words)
    {
        var at = random.Next(bytes.Count + 1);
        var length = Math.Min(random.Next(1, 1 << random.Next(1, 10)), bytes.Count - at);
        switch (random.Next(8))
        {
            case 0 or 1 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 2 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 3:
                bytes.RemoveRange(at, length);
                break;
            case 4:
                bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                break;
            case 5:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(words[random.Next(words.Length)]));
                break;
            case 6:
                Replace(bytes, at);
                break;
            default:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
        }
    }

    // The next number from there on by another one.
    private void Replace(List<byte> bytes, int at)
    {
        var start = bytes.FindIndex(at, b => b is >= (byte)'0' and <= (byte)'9');
        if (start >= 0)
        {
            var end = bytes.FindIndex(start, b => b is < (byte)'0' or > (byte)'9');
            bytes.RemoveRange(start, (end < 0 ? bytes.Count : end) - start);
            bytes.InsertRange(start, Encoding.ASCII.GetBytes(Numbers[random.Next(Numbers.Length)]));
        }
    }
}
