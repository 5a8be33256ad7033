using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Restores;

/// <summary>Which crun the restore handler takes: in a mount namespace whose /usr has
/// them where packages put them.</summary>
internal sealed class HandlerCrunTests
{
    [TestCase("/usr/libexec/crio/crun /usr/bin/crun", "", "/usr/libexec/crio/crun")]
    [TestCase("/usr/bin/crun", "", "/usr/bin/crun")]
    [TestCase("/usr/libexec/crio/crun /usr/bin/crun /opt/crun", "/opt/crun", "/opt/crun")]
    public async Task CRI_Os_own_comes_first_and_a_named_one_before_it(string there, string named, string taken)
    {
        const string script = """
            set -eu
            work=$(mktemp -d)
            mount -t tmpfs tmpfs "$work"
            for folder in usr opt; do
              mkdir -p "$work/$folder/upper" "$work/$folder/work"
              mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$work/$folder/upper,workdir=$work/$folder/work" "/$folder"
            done
            rm -f /usr/bin/crun /usr/libexec/crio/crun
            for crun in $1; do
              mkdir -p "${crun%/*}"
              printf '#!/bin/sh\necho "%s $*"\n' "$crun" >"$crun"
              chmod 755 "$crun"
            done
            [ -z "$2" ] || export POD_CHECKPOINTING_CRUN="$2"
            "$3" --version
            mv "$4" /opt/real-crun
            ln -s /opt/real-crun "$4"
            exec "$3" --which-crun
            """;
        var handler =
            Path.Combine(Repository.Root(AppContext.BaseDirectory), "agent/Restores/Handler/checkpoint-restore");
        using var process = Process.Start(new ProcessStartInfo(
            "unshare", ["--mount", "/bin/sh", "-c", script, "sh", there, named, handler, taken])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();

        said.Should().Equal($"{taken} --version\n/opt/real-crun\n", "");
    }
}
