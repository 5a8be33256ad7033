using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Checks;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Commands;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>What the operator is asked by an object that goes again.</summary>
internal sealed class OperatorQuestionTests
{
    [Test]
    public async Task An_answer_stays_one_though_the_question_cannot_be_removed()
    {
        var (findings, error) = await AskAsync(new Operator(() => throw new HttpRequestException("the line is cut")));

        findings.Should().ContainSingle().Which.Subject.Should().Be("KernelTooOld");
        error.Should().Be(
            "warning: podmigration.lpm.my.domain/check-web-1, a question to the operator, could not be removed: the "
            + "line is cut\nRemove it: kubectl delete podmigration check-web-1 -n shop\n");
    }

    [Test]
    public async Task Nothing_is_said_of_a_question_that_is_gone()
    {
        foreach (var code in new[] { HttpStatusCode.NotFound, HttpStatusCode.Conflict })
        {
            var (findings, error) =
                await AskAsync(new Operator(() => throw new KubernetesException(code, new V1Status())));

            findings.Should().ContainSingle();
            error.Should().BeEmpty();
        }
    }

    private static async Task<(IReadOnlyList<Finding> Findings, string Error)> AskAsync(IKubernetes client)
    {
        using var error = new StringWriter { NewLine = "\n" };
        var context = new CommandContext(
            new Terminal(TextWriter.Null, error, TextReader.Null, IsInteractive: false, 120), TimeProvider.System,
            _ => throw new NotSupportedException());
        var answer = await OperatorQuestion.AskAsync(
            context, client, "shop", new PodMigrationSpec { PodName = "web" }, CancellationToken.None);
        return ([.. OperatorCheck.Of(answer)], error.ToString());
    }

    /// <summary>Has an objection at once.</summary>
    private sealed class Operator(Action delete) : IKubernetes
    {
        private PodMigration? _asked;

        public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            var asked = (PodMigration)(object)item;
            _asked = asked with
            {
                Metadata =
                    asked.Metadata with { Name = asked.Metadata.GenerateName + "1", Uid = "u", ResourceVersion = "1" },
                Status = new PodMigrationStatus
                {
                    Phase = MigrationPhases.Failed, Outcome = Outcomes.WouldFail, CompletionTime = DateTime.UnixEpoch,
                    Conditions =
                    [
                        new V1Condition
                        {
                            Type = "Ready",
                            Status = "False",
                            Reason = "KernelTooOld",
                            Message = "it is old",
                        },
                    ],
                },
            };
            return Task.FromResult((T)(object)_asked);
        }

        public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => Task.FromResult((T)(object)_asked!);

        public Task DeleteAsync<T>(
            string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta>
        {
            delete();
            return Task.CompletedTask;
        }

        public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<T> PatchAsync<T>(
            string? namespaceName, string name, string? subresource, PatchType type, string patch, string fieldManager,
            CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

        public IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ListOptions options, CancellationToken cancellationToken)
            where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();
    }
}
