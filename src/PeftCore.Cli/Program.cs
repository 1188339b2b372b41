using System.Runtime.InteropServices;
using PeftCore.Cli.Output;

namespace PeftCore.Cli;

internal static class Program
{
    private static int Main(string[] args)
    {
        using var stop = new CancellationTokenSource();
        // The first Ctrl-C asks the verb to save and end; the second is nobody's to refuse.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask);
        return Tool.Run(args, Terminal.OfProcess(), stop.Token);

        void Ask(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }
}
