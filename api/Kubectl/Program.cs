using System.Runtime.InteropServices;
using PodCheckpointing.Kubectl;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Output;

using var interrupted = new CancellationTokenSource();
var first = true;

// The first Ctrl-C ends the wait and says how to go on; the second one ends the process as usual.
void Stop(PosixSignalContext signal)
{
    signal.Cancel = first;
    first = false;
    interrupted.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

var words = Invocation.Words(Invocation.Name(), args);
return await new CommandLine(Terminal.OfProcess(), TimeProvider.System, Session.Open).RunAsync(
    words, interrupted.Token);
