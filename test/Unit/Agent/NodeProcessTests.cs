using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Unit.Agent;

/// <summary>A program of the node is run to its end, whatever that is, and nobody waits for more.</summary>
public sealed class NodeProcessTests
{
    private static readonly TimeSpan Enough = TimeSpan.FromMinutes(1);

    [Test]
    public async Task Of_what_is_said_the_end_is_kept()
    {
        var said = string.Concat(Enumerable.Range(0, 100_000).Select(n => $"tar: file-{n}: Cannot open\n"));

        var end = await NodeProcess.EndOfAsync(new StringReader(said), CancellationToken.None);

        end.Should().HaveLength(NodeProcess.Kept).And.EndWith("file-99999: Cannot open\n");
    }

    [Test]
    public async Task What_it_says_and_complains_about_and_its_code_are_told()
    {
        var result = await RunAsync(
            "cat; echo no room >&2; exit 3", async (input, token) => await input.WriteAsync("text"u8.ToArray(), token));
        result.Should().Be(new NodeProcess.Result(3, "text", "no room\n"));
        result.Complaint.Should().Be("no room");
    }

    [Test]
    public async Task Who_gives_up_before_all_of_its_input_says_why_itself()
    {
        var result = await RunAsync(
            "echo not this >&2; exit 1", async (input, token) => await input.WriteAsync(new byte[1 << 20], token));
        result.Complaint.Should().Be("not this");
    }

    [Test]
    public async Task Input_that_breaks_off_is_no_success_and_keeps_nobody_waiting()
    {
        var run = () => RunAsync("cat", (_, _) => throw new IOException("the volume is away"));
        (await run.Should().ThrowAsync<IOException>()).Which.Message.Should().Contain("the volume is away");
    }

    [Test]
    public async Task The_last_of_much_is_kept()
    {
        var result = await RunAsync("seq 100000");
        result.Output.Should().EndWith("\n100000\n");
        result.Output.Length.Should().BeLessThan(100_000);
    }

    [Test]
    public async Task What_takes_too_long_is_killed_with_its_children()
    {
        var folder = Directory.CreateTempSubdirectory("process");
        var pid = Path.Combine(folder.FullName, "pid");
        var run = () => NodeProcess.RunAsync(
            ["sh", "-c", $"sh -c 'echo $$ >{pid}.new; mv {pid}.new {pid}; exec sleep 1000'; true"],
            // The limit runs out when the child is there: no earlier.
            async (_, token) =>
            {
                while (!File.Exists(pid))
                {
                    await Task.Delay(1, CancellationToken.None);
                }
            },
            TimeSpan.FromMilliseconds(1), CancellationToken.None);

        (await run.Should().ThrowAsync<TimeoutException>()).Which.Message.Should().StartWith("sh has not ended");

        var child = int.Parse(await File.ReadAllTextAsync(pid));
        using var patience = new CancellationTokenSource(Enough);
        while (ProcessIdentity.Of(child) is not null)
        {
            await Task.Delay(1, patience.Token);
        }

        folder.Delete(recursive: true);
    }

    [Test]
    public async Task One_that_is_not_there_is_named()
    {
        var run = () => NodeProcess.RunAsync(["no-such-program"], feed: null, Enough, CancellationToken.None);
        (await run.Should().ThrowAsync<IOException>()).Which.Message
            .Should().StartWith("no-such-program cannot be run on this node");
    }

    private static Task<NodeProcess.Result> RunAsync(
        string script, Func<Stream, CancellationToken, Task>? feed = null) =>
        NodeProcess.RunAsync(["sh", "-c", script], feed, Enough, CancellationToken.None);
}
