using System.Diagnostics;

namespace PeftCore.Bench;

/// <summary>Things timed by turns, so that what else the machine does meets all of them alike.</summary>
internal static class InterleavedRuns
{
    // Seconds of warm-up: the tiered compiler optimises methods only after some time.
    private const double Unmeasured = 0.3;

    /// <summary>The median seconds of each action, over as many rounds as fit into the given time, but at least
    /// <paramref name="minRounds"/>.</summary>
    public static double[] Medians(Action[] runs, double seconds, int minRounds)
    {
        var times = runs.Select(_ => new List<double>()).ToArray();
        long begin = Stopwatch.GetTimestamp();
        for (int round = 0; round < 3 || Stopwatch.GetElapsedTime(begin).TotalSeconds < Unmeasured; round++)
        {
            Array.ForEach(runs, run => run());
        }
        begin = Stopwatch.GetTimestamp();
        for (int round = 0; round < minRounds || Stopwatch.GetElapsedTime(begin).TotalSeconds < seconds; round++)
        {
            for (int i = 0; i < runs.Length; i++)
            {
                long start = Stopwatch.GetTimestamp();
                runs[i]();
                times[i].Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        return [.. times.Select(list => list.Order().ElementAt(list.Count / 2))];
    }
}
