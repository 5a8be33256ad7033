using System.Net;
using FluentAssertions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Kubelet;

namespace PodCheckpointing.Unit.Agent;

public sealed class NodeStateTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private string _root = null!;
    private IOptions<AgentOptions> _options = null!;

    [SetUp]
    public void MakeRoot()
    {
        _root = Directory.CreateTempSubdirectory("agent").FullName;
        _options = Options.Create(
            new AgentOptions { StateRoot = _root, CriuConfig = Path.Combine(_root, "crun.conf") });
        File.WriteAllText(_options.Value.CriuConfig, "manage-cgroups=ignore\n");
    }

    [TearDown]
    public void RemoveRoot() => Directory.Delete(_root, recursive: true);

    [TestCase("Close", "skip", "tcp-close")]
    [TestCase("Established", "iptables", "tcp-established")]
    public async Task CRIUs_options_hold_for_one_dump_and_are_put_back(string policy, string @lock, string line)
    {
        using var criu = new CriuConfiguration(_options);
        var during = await criu.WithAsync(
            Fence(policy), () => File.ReadAllTextAsync(_options.Value.CriuConfig), CancellationToken.None);
        during.Split('\n').Should().Contain(
            ["manage-cgroups=ignore", "leave-stopped", $"network-lock={@lock}", "skip-in-flight", line]);
        File.ReadAllText(_options.Value.CriuConfig).Should().Be("manage-cgroups=ignore\n");
    }

    [Test]
    public async Task CRIUs_options_are_put_back_after_a_failed_dump_and_untouched_without_a_fence()
    {
        using var criu = new CriuConfiguration(_options);
        var failing = () => criu.WithAsync<int>(
            Fence("Close"), () => throw new IOException("no"), CancellationToken.None);
        await failing.Should().ThrowAsync<IOException>();
        var plain = await criu.WithAsync(
            fence: null, () => File.ReadAllTextAsync(_options.Value.CriuConfig), CancellationToken.None);
        plain.Should().Be("manage-cgroups=ignore\n");
        Directory.GetFiles(_root).Should().ContainSingle();
    }

    [Test]
    public void CRIUs_options_are_put_back_after_the_agent_was_killed_in_between()
    {
        File.Move(_options.Value.CriuConfig, _options.Value.CriuConfig + ".pod-checkpointing-saved");
        File.WriteAllText(_options.Value.CriuConfig, "leave-stopped\n");
        using var criu = new CriuConfiguration(_options);
        criu.Recover();
        File.ReadAllText(_options.Value.CriuConfig).Should().Be("manage-cgroups=ignore\n");
    }

    [TestCase(404, "pod does not exist", "PodNotFound")]
    [TestCase(404, "container nosuch does not exist", "ContainerNotFound")]
    [TestCase(404, "404 page not found", "CheckpointDisabled")]
    [TestCase(401, "Unauthorized", "KubeletForbidden")]
    [TestCase(
        403, "Forbidden (user=nobody, verb=create, resource=nodes, subresource(s)=[checkpoint])", "KubeletForbidden")]
    [TestCase(500, "checkpointing of default/done/c failed (container c not found)", "PodNotRunning")]
    [TestCase(500, "(rpc error: code = Unknown desc = checkpoint/restore support not available)", "CheckpointDisabled")]
    [TestCase(500, "inet: Connected TCP socket, consider using --tcp-established option", "EstablishedTcpConnections")]
    [TestCase(500, "anything else", "CheckpointFailed")]
    public void Kubelets_refusals_become_reasons(int code, string text, string reason) =>
        KubeletClient.Explain((HttpStatusCode)code, text).Trailers.GetValue("podcheckpointing-reason")
            .Should().Be(reason);

    [Test]
    public void Only_connected_sockets_count()
    {
        string[] lines =
        [
            "   0: 0100007F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 "
                + "0 10 0",
            "   1: 0100007F:1B58 0100007F:A0B2 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 "
                + "30 10 -1",
            "   2: 0100007F:1B58 0100007F:A0B4 08 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 4 "
                + "30 10 -1",
            "   3: 00000000:0000 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 "
                + "0 10 0",
        ];
        // CRIU takes a socket that only its remote end has closed for connected, too.
        ConnectedSockets.ConnectedIn(lines).Should().Equal((12L, "0100007F:A0B2"), (13L, "0100007F:A0B4"));
    }

    private static FenceRecord Fence(string policy) => new(Pod, "m", policy, DateTime.UnixEpoch);
}
