using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PeftCore.Fuzz.Engine;

/// <summary>The processor time of one thread, which does not depend on other load; on other systems than Linux, the elapsed time.</summary>
internal static partial class ThreadClock
{
    public static int CurrentThread => OperatingSystem.IsLinux() ? GetThreadId() : 0;

    /// <summary>Seconds that a thread of this process has run.</summary>
    public static double Seconds(int thread)
    {
        // Linux numbers the clock of a thread by the complement of its id, with 4 for "one thread" and 2 for "scheduled time".
        int clock = (~thread << 3) | 6;
        return OperatingSystem.IsLinux() && GetTime(clock, out var time) == 0 ? time.Seconds + time.Nanoseconds * 1e-9 : Wall;
    }

    public static double Wall => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    [LibraryImport("libc", EntryPoint = "gettid")]
    private static partial int GetThreadId();

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
