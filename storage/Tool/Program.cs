using PodCheckpointing.Storage.Tool;

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};
return await new StoreCommand(Console.Out, Console.Error, TimeProvider.System).RunAsync(args, stop.Token);
