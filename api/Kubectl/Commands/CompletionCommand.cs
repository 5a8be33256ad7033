using System.CommandLine;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary><c>kubectl podmigration completion</c>.</summary>
internal static class CompletionCommand
{
    private const string Names = "kubectl-podmigration kubectl-create-podmigration kubectl-create-podcheckpoint";

    private static readonly Dictionary<string, string> Scripts = new()
    {
        ["bash"] = $$"""
            _pod_checkpointing() {
              local out
              out=$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
              local directive=${out##*:}
              out=${out%:*}
              local IFS=$'\n'
              COMPREPLY=($(cut -f1 <<<"$out"))
              if [ "$directive" = 0 ]; then COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")); fi
            }
            complete -F _pod_checkpointing {{Names}}
            """,
        ["zsh"] = $$"""
            #compdef {{Names}}
            _pod_checkpointing() {
              local -a lines
              lines=("${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
              if [[ ${lines[-1]} == :0 ]]; then _files; return; fi
              compadd -- ${${lines[1,-2]}%%$'\t'*}
            }
            compdef _pod_checkpointing {{Names}}
            """,
        ["fish"] = $$"""
            function __pod_checkpointing
                set -l words (commandline -opc) (commandline -ct)
                $words[1] __complete $words[2..-1] 2>/dev/null | string match -v ':*'
            end
            for name in {{Names}}
                complete -c $name -f -a '(__pod_checkpointing)'
            end
            """,
    };

    public static Command Build(CommandContext context)
    {
        var shell = new Argument<string>("SHELL") { HelpName = "SHELL", Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong([.. Scripts.Keys]);
        var command = new ExampleCommand(
            "completion",
            "Print a shell's completion script for the plug-ins under their own names. kubectl itself completes "
            + "\"kubectl podmigration\" when kubectl_complete-podmigration is in PATH.",
            "source <(kubectl podmigration completion bash)")
        {
            shell,
        };
        command.SetAction(parsed =>
        {
            context.Terminal.Out.WriteLine(Scripts[parsed.GetValue(shell)!].ReplaceLineEndings("\n"));
            return ExitCode.Ok;
        });
        return command;
    }
}
