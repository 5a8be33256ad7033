using System.Globalization;
using FluentAssertions;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Grpc;

internal sealed class WireTests
{
    private static readonly StringValue Message = new() { Value = "größer" };

    [Test]
    public async Task Reads_what_it_framed_until_the_stream_ends()
    {
        using var stream = new MemoryStream([.. Wire.Frame(Message.ToByteArray()), .. Wire.Frame([])]);

        (await ReadAsync(stream)).Should().Be(Message);
        (await ReadAsync(stream)).Should().Be(new StringValue());
        (await ReadAsync(stream)).Should().BeNull();
    }

    [Test]
    public void Frames_with_a_zero_and_the_big_endian_length() =>
        Wire.Frame(new byte[258])[..5].Should().Equal(0, 0, 0, 1, 2);

    [TestCase("00", StatusCode.Internal, "within a message's prefix")]
    [TestCase("0000000003AA", StatusCode.Internal, "within a message")]
    [TestCase("0000000001FF", StatusCode.Internal, "does not parse")]
    [TestCase("0100000001AA", StatusCode.Unimplemented, "compressed")]
    [TestCase("0700000001AA", StatusCode.Internal, "first byte is 7")]
    [TestCase("0000000065", StatusCode.ResourceExhausted, "101 bytes is over the limit of 100")]
    [TestCase("00FFFFFFFF", StatusCode.ResourceExhausted, "4294967295 bytes")]
    public async Task Refuses_bad_frames(string bytes, StatusCode code, string message)
    {
        using var stream = new MemoryStream(Convert.FromHexString(bytes));

        var failure = await FluentActions.Awaiting(() => ReadAsync(stream)).Should().ThrowAsync<RpcException>();

        failure.Which.StatusCode.Should().Be(code);
        failure.Which.Status.Detail.Should().Contain(message);
    }

    [TestCase("", "")]
    [TestCase("plain ~ text", "plain ~ text")]
    [TestCase("100 %", "100 %25")]
    [TestCase("a\nb", "a%0Ab")]
    [TestCase("ü – 検", "%C3%BC %E2%80%93 %E6%A4%9C")]
    [TestCase("😀", "%F0%9F%98%80")]
    public void Encodes_messages_and_reads_them_back(string text, string encoded)
    {
        Wire.EncodeMessage(text).Should().Be(encoded);
        Wire.DecodeMessage(encoded).Should().Be(text);
    }

    [TestCase("x", 4096)]
    [TestCase("検", 4095)]
    public void Encodes_the_beginning_of_a_long_message_without_half_a_letter(string letter, int length)
    {
        var text = string.Concat(Enumerable.Repeat(letter, 100_000));

        var encoded = Wire.EncodeMessage(text);

        encoded.Should().HaveLength(length + 3).And.EndWith("...");
        text.Should().StartWith(Wire.DecodeMessage(encoded)[..^3]);
    }

    [TestCase("%", "%")]
    [TestCase("%4", "%4")]
    [TestCase("100%", "100%")]
    [TestCase("%zz%41", "%zzA")]
    [TestCase("% 41", "% 41")]
    [TestCase("%c3%bc", "ü")]
    [TestCase("%FF", "\uFFFD")]
    [TestCase("ü😀", "ü😀")]
    public void Keeps_what_is_encoded_badly(string encoded, string text) =>
        Wire.DecodeMessage(encoded).Should().Be(text);

    [TestCase("1H", "01:00:00")]
    [TestCase("90M", "01:30:00")]
    [TestCase("15S", "00:00:15")]
    [TestCase("1500m", "00:00:01.5")]
    [TestCase("1500u", "00:00:00.0015")]
    [TestCase("1500n", "00:00:00.0000015")]
    [TestCase("0n", "00:00:00")]
    [TestCase("99999999S", "1157.09:46:39")]
    [TestCase("99999999H", "10000000.00:00:00", Description = "capped below what a TimeSpan holds")]
    public void Reads_timeouts(string text, string timeout)
    {
        var expected = text == "99999999H"
            ? TimeSpan.FromHours(10_000_000)
            : TimeSpan.Parse(timeout, CultureInfo.InvariantCulture);

        Wire.ParseTimeout(text).Should().Be(expected);
    }

    [TestCase("")]
    [TestCase("S")]
    [TestCase("1")]
    [TestCase("1s")]
    [TestCase("-1S")]
    [TestCase("+1S")]
    [TestCase(" 1S")]
    [TestCase("1 S")]
    [TestCase("1.5S")]
    [TestCase("123456789S")]
    [TestCase("1S,2S")]
    [TestCase("٣S")]
    public void Refuses_malformed_timeouts(string text) => Wire.ParseTimeout(text).Should().BeNull();

    [TestCase("00:00:00", "1m")]
    [TestCase("-00:00:05", "1m")]
    [TestCase("00:00:00.0001", "1m")]
    [TestCase("00:00:15", "15000m")]
    [TestCase("1.03:46:39.999", "99999999m")]
    [TestCase("1.03:46:40", "100000S")]
    [TestCase("10675199.02:48:05.4775807", "99999999S")]
    public void Writes_timeouts_of_eight_digits_at_most(string timeout, string text) =>
        Wire.FormatTimeout(TimeSpan.Parse(timeout, CultureInfo.InvariantCulture)).Should().Be(text);

    [TestCase("application/grpc", true)]
    [TestCase("application/grpc+proto", true)]
    [TestCase("Application/GRPC; charset=utf-8", true)]
    [TestCase("application/grpc+json", false)]
    [TestCase("application/grpc-web", false)]
    [TestCase("application/json", false)]
    [TestCase("", false)]
    [TestCase(null, false)]
    public void Knows_its_content_type(string? contentType, bool isGrpc) =>
        Wire.IsGrpc(contentType).Should().Be(isGrpc);

    [Test]
    public void Waits_for_no_deadline_that_is_over_and_for_any_other_as_long_as_timers_can()
    {
        using var over = Wire.Alarm(TimeSpan.FromSeconds(-1), TimeProvider.System);
        using var far = Wire.Alarm(TimeSpan.MaxValue, TimeProvider.System);
        using var never = Wire.Alarm(null, TimeProvider.System);

        over.Token.WaitHandle.WaitOne(Wait.Patience).Should().BeTrue();
        far.IsCancellationRequested.Should().BeFalse();
        never.IsCancellationRequested.Should().BeFalse();
    }

    private static Task<StringValue?> ReadAsync(Stream stream) =>
        Wire.ReadAsync(stream, StringValue.Parser.ParseFrom, 100, CancellationToken.None);
}
