namespace PeftCore.Backends;

/// <summary>A device that can measure the time of its kernels.</summary>
public interface IKernelProfiler
{
    /// <summary>Starts to measure every kernel launch.</summary>
    void StartProfile();

    /// <summary>Stops, and returns a table of time, share, launches and rate of each kernel, the longest time first.</summary>
    string StopProfile();
}
