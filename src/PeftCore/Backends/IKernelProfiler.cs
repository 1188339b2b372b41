namespace PeftCore.Backends;

/// <summary>A device that can say where the time of what it ran went.</summary>
public interface IKernelProfiler
{
    /// <summary>Starts to note the time of every kernel.</summary>
    void StartProfile();

    /// <summary>Stops, and returns a table: time, share, launches and rate of each kernel, the longest first.</summary>
    string StopProfile();
}
