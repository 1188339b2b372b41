namespace PeftCore.Backends;

/// <summary>Times the kernels of a device.</summary>
internal interface IKernelProfiler
{
    /// <summary>Starts to time every kernel.</summary>
    void Start();

    /// <summary>Stops timing and returns a table: time, share, launches and rate of each kernel, the longest first.</summary>
    string Stop();
}
