using System.Diagnostics;

namespace PeftCore.Cli.Session;

/// <summary>The warm-up of a benchmark. The JIT compiler replaces what it compiled first after some time, whatever the number of
/// runs.</summary>
internal static class WarmUp
{
    public const string DefaultText = "as many as take a second, at least 3";

    private const int Least = 3;
    private const double Seconds = 1;

    /// <summary>Runs a number of times; by default for a while.</summary>
    public static void Run(int? times, Action run)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; times is { } given ? i < given : i < Least || Stopwatch.GetElapsedTime(start).TotalSeconds < Seconds; i++)
        {
            run();
        }
    }
}
