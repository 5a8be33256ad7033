using System.CommandLine;
using System.CommandLine.Completions;
using k8s;
using k8s.Exceptions;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>What a shell may offer at the cursor: in the form that kubectl asks its plug-ins for it.</summary>
internal static class Completer
{
    private const int NoFiles = 4;
    private const int Files = 0;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly string[] FileOptions = ["--kubeconfig", "--filename", "-f"];

    /// <summary>Writes one word per line, and what the shell shall make of them.</summary>
    public static int Complete(Command root, string[] words, TextWriter output)
    {
        var before = words is [.., var previous, _] ? previous : "";
        if (FileOptions.Contains(before))
        {
            output.WriteLine($":{Files}");
            return ExitCode.Ok;
        }

        var last = words is [.., var word] ? word : "";
        var line = string.Concat(words.SkipLast(1).Select(w => Quoted(w) + " ")) + last;
        foreach (var item in root.Parse(line).GetCompletions(line.Length).DistinctBy(item => item.Label))
        {
            // Flags only for who has begun one, as kubectl does.
            if (item.Label.StartsWith(last, StringComparison.Ordinal)
                && (last.StartsWith('-') || !item.Label.StartsWith('-')))
            {
                // One sentence is enough beside a word.
                output.WriteLine(string.IsNullOrEmpty(item.Detail)
                    ? item.Label
                    : $"{item.Label}\t{item.Detail.Split(". ")[0].TrimEnd('.')}");
            }
        }

        output.WriteLine($":{NoFiles}");
        return ExitCode.Ok;
    }

    /// <summary>The names of the objects of a kind; none when the cluster does not answer soon.</summary>
    public static Func<CompletionContext, IEnumerable<CompletionItem>> Names<T>(CommandContext context)
        where T : IKubernetesObject<V1ObjectMeta> =>
        completion =>
        {
            try
            {
                using var patience = new CancellationTokenSource(Patience);
                using var session = context.Open(completion.ParseResult);
                var list = session.Client.ListAsync<T>(
                    new ListOptions { Namespace = session.Namespace, Limit = 200 }, patience.Token)
                    .GetAwaiter()
                    .GetResult();
                return [.. list.Items.Select(item => new CompletionItem(item.Metadata.Name!))];
            }
            catch (Exception exception)
                when (exception is CommandException or KubeConfigException or KubernetesException
                    or HttpRequestException or OperationCanceledException)
            {
                return [];
            }
        };

    private static string Quoted(string word) => word.Contains(' ') ? $"\"{word}\"" : word;
}
