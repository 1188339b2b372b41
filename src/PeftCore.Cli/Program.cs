using System.Runtime.InteropServices;
using PeftCore.Cli.Output;

namespace PeftCore.Cli;

internal static class Program
{
    private const int FirstSignalCode = 128, Interrupt = 2, Terminate = 15;

    private static int Main(string[] args)
    {
        WideVectors.TakeOver(args);
        using var stop = new CancellationTokenSource();
        var terminal = Terminal.OfProcess();
        // The first Ctrl-C asks the verb to save and end; the second ends the process at once.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, RequestStop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, RequestStop);
        int number = 0;
        int code = Tool.Run(args, terminal, stop.Token);
        // A verb that finished in spite of the signal keeps its exit code; one that was stopped ends with 128 + the signal's number.
        return code == Tool.Failed && number != 0 ? FirstSignalCode + number : code;

        void RequestStop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            if (!signal.Cancel)
            {
                terminal.ShowCursor();
            }
            number = signal.Signal == PosixSignal.SIGINT ? Interrupt : Terminate;
            if (signal.Cancel && terminal.Interactive)
            {
                terminal.Note("stopping where the work can go on later; Ctrl-C again ends at once");
            }
            stop.Cancel();
        }
    }
}
